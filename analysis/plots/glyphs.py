"""What matplotlib's font cannot draw, listed once instead of in a warning for each sign and line of code."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def missing_glyphs() -> Iterator[list[str]]:
    """Collect the signs for which a box is drawn: the list has each one after the block; other warnings come then."""
    signs: list[str] = []
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        yield signs
    for record in records:
        if not (glyph := re.match(r"Glyph (\d+) .*missing from", str(record.message))):
            warnings.warn_explicit(record.message, record.category, record.filename, record.lineno)
        elif (sign := chr(int(glyph[1]))) not in signs:
            signs.append(sign)
