"""Fetching public datasets through torchvision, without hanging and without a word on stdout."""

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from lightning_bam.config import ConfigError
from lightning_bam.run_folder.lock import open_lock, wait_for

STALL_SECONDS: Final = 30.0
"""How long a server may not answer, or a download stand still."""
OTHERS_SECONDS: Final = 7200.0
"""How long another process's download may take that is waited for."""


def fetch(download: Callable[[], object], root: Path, url: str | None, missing: str) -> None:
    """Run `download` under a lock in the data directory `root`, one process at a time.

    `url` is where the files come from, None if only unpacking is left. Raises ConfigError: `missing`, which says which
    files to put where, and why the download failed.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        path = root / ".download.lock"
        with os.fdopen(open_lock(path, root), "r+b") as lock, _quiet():
            wait_for(lock.fileno(), path, OTHERS_SECONDS)
            download()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        what = "unpacking what is there" if url is None else f"downloading {url}"
        raise ConfigError(f"{missing} ({what} failed: {reason[:200]})") from error


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
