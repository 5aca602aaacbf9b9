"""Text for a terminal: what it would obey, or not show, stands there as its escape."""

import codecs
import io
import os
import re
import stat
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO, cast

SPECIAL: Final = re.compile(r"[^\n\t -~]")
"""Signs that may be of such a kind: all but plain ASCII."""
PLAINER: Final = str.maketrans("−─–·Δ±×…≤", "---*d~x.<")
"""What stands for this project's signs where there are none but ASCII's."""


def visible(text: str) -> str:
    r"""Return `text` with `\u001b` for ESC, and so for whatever else is no sign to read; newlines and tabs stay.

    These are the escapes of JSON and of Python: JSON with such signs stays JSON.
    """
    return SPECIAL.sub(lambda match: _escape(match[0]), text)


def one_line(text: str) -> str:
    """Return `text` as `visible` does, its newlines as escapes, too."""
    return visible(text).replace("\n", "\\n")


def _escape(sign: str) -> str:
    if sign.isprintable() or unicodedata.category(sign) == "Zs":
        return sign
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


class VisibleStream:
    """A stream that writes what `visible` returns; rich knows the stream behind it by `rich_proxied_file`."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = unfiltered(stream)
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, and return its length."""
        self._stream.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each line."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def unfiltered(stream: TextIO) -> TextIO:
    """Return the stream behind `stream`, for what a `Console` has made visible, and colours are in by now.

    Several can be in front of it: ours, the one by which rich lets others print above a live view, and ours again.
    """
    while (behind := getattr(stream, "rich_proxied_file", None)) is not None:
        stream = behind
    return stream


def plainer(error: UnicodeError) -> tuple[str, int]:
    """Stand in for signs that a terminal's encoding has not: as long, so that columns stay, or a `?`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return error.object[error.start : error.end].translate(PLAINER).encode("ascii", "replace").decode(), error.end


codecs.register_error("bam-plainer", plainer)


def writable(stream: TextIO | None) -> TextIO:
    """Return a stream that takes every text: a file in UTF-8, a terminal what it can show, nobody for `>&-`."""
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
        if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            stream.reconfigure(encoding="utf-8")
        else:
            stream.reconfigure(errors="bam-plainer")
    return stream


@contextmanager
def visible_streams() -> Iterator[None]:
    """Let stdout and stderr be visible streams; after an error they stay so, for its traceback is still to come."""
    before = writable(sys.stdout), writable(sys.stderr)
    sys.stdout, sys.stderr = (cast(TextIO, VisibleStream(stream)) for stream in before)
    try:
        yield
    finally:
        if not isinstance(sys.exception(), Exception):
            sys.stdout, sys.stderr = before
