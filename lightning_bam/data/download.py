"""Fetching public datasets through torchvision, without hanging and without a word on stdout."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from lightning_bam.config import ConfigError
from lightning_bam.run_folder.lock import open_lock, wait_for

ANSWER_SECONDS: Final = 8.0
"""How long a server may take to show that it can be reached."""
STALL_SECONDS: Final = 30.0
"""How long a download may stand still."""
OTHERS_SECONDS: Final = 7200.0
"""How long another process's download may take that is waited for."""


def fetch(download: Callable[[], object], root: Path, url: str | None, missing: str) -> None:
    """Run `download`; ranks and runs that come at the same time wait for each other.

    Args:
        download: what to run; it does nothing where another process has just put the files in place.
        root: the data directory, made if need be.
        url: where the files come from, asked first whether it can be reached; None if only unpacking is left.
        missing: one line that says which files to put where.

    Raises:
        ConfigError: `missing` and the reason, if there is no network or the download fails.

    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        path = root / ".download.lock"
        with os.fdopen(open_lock(path, root), "r+b") as lock, _quiet():
            wait_for(lock.fileno(), path, OTHERS_SECONDS)
            if url is not None:
                _ask(url)
            download()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        what = "unpacking what is there" if url is None else f"downloading {url}"
        raise ConfigError(f"{missing} ({what} failed: {reason[:200]})") from error


def _ask(url: str) -> None:
    """Raise what opening `url` raises, or TimeoutError.

    In a thread, because a name server that does not answer cannot be timed otherwise.
    """
    problems: list[Exception] = [TimeoutError(f"no answer in {ANSWER_SECONDS:g} s")]

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=ANSWER_SECONDS).close()
            problems.clear()
        except Exception as error:
            problems[:] = [error]

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    for _ in range(10):  # by tenths: a machine that was suspended meanwhile has not waited
        asking.join(ANSWER_SECONDS / 10)
    for problem in problems:
        raise problem


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
