"""Fetching public datasets through torchvision, without hanging and without a word on stdout."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from lightning_bam.config import ConfigError

CONNECT_SECONDS: Final = 8.0
STALL_SECONDS: Final = 30.0


def fetch(download: Callable[[], object], root: Path, url: str, missing: str) -> None:
    """Run `download`, having asked `url` for a sign of life; ranks and runs that come at the same time wait.

    Args:
        download: what to run; it does nothing where another process has just put the files in place.
        root: the data directory, made if need be.
        url: where the files come from.
        missing: one line that says which files to put where.

    Raises:
        ConfigError: `missing` and the reason, if there is no network or the download fails.

    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / ".download.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _ask(url)
            with _quiet():
                download()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{missing} (downloading {url} failed: {reason[:200]})") from error


def _ask(url: str) -> None:
    """Raise what opening `url` raises, or TimeoutError; a name server that does not answer cannot be timed otherwise."""
    problems: list[BaseException] = [TimeoutError(f"no answer in {CONNECT_SECONDS:g} s")]

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=CONNECT_SECONDS).close()
            problems.clear()
        except Exception as error:
            problems[:] = [error]

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(CONNECT_SECONDS)
    if problems:
        raise problems[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send what torchvision prints to stderr, and let no connection stall for good."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)
