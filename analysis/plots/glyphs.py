"""What matplotlib's font cannot draw, told once instead of in a warning for each sign and line of code."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LACKING: Final = re.compile(r"Glyph (\d+) .*missing from")


@contextmanager
def lacking_signs() -> Iterator[list[str]]:
    """Collect the signs for which a box is drawn: the list has each one once it is left; other warnings come then."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield found
    for one in said:
        if lacking := LACKING.match(str(one.message)):
            found.append(chr(int(lacking[1])))
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    found[:] = dict.fromkeys(found)
