"""`bam` in a terminal of its own, as nobody sees it through a pipe."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path


def in_a_terminal(words: list[str], columns: int = 80, cwd: Path | None = None) -> str:
    """Return all that `bam` sends to a terminal, with what moves its cursor and colours its text."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    call = [sys.executable, "-m", "analysis.cli", *words]
    with subprocess.Popen(
        call, stdin=theirs, stdout=theirs, stderr=theirs, env=environment | {"TERM": "xterm"}, cwd=cwd
    ):
        os.close(theirs)
        read = b""
        try:
            while part := os.read(ours, 65536):
                read += part
        except OSError:  # as Linux says that a terminal's other end is closed
            os.close(ours)
    return read.decode()
