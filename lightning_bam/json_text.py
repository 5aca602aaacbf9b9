"""JSON that somebody else wrote: parsed, checked against its type, and shown in a line where it is not of that type."""

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

SHOWN: Final = 40
"""Characters of a wrong value that a message shows."""


def parse(text: str | bytes) -> Any:
    """Return what a JSON text holds.

    Raises ValueError: it is none, or holds what no record does: NaN, lists within lists without end, a number of
    thousands of digits, half a character that no terminal takes. The message is short.
    """
    return from_json(text, allow_inf_nan=False)


def short(value: object) -> str:
    """Return a value as a message shows it: in one line, and not all of a long one."""
    return shortened(" ".join(repr(value).splitlines()))


def shortened(text: str) -> str:
    """Return a text, or how it begins."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."


def fault(error: ValidationError) -> str:
    """Say which field is of another type or out of range, and how."""
    problem = error.errors(include_url=False)[0]
    parts = map(str, problem["loc"])  # of an object of any names, whatever somebody wrote
    where = ".".join(shortened(part) if part.isprintable() else short(part) for part in parts)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"has no {where}"
    return f"{where or 'it'} is {short(problem['input'])}: {message[:1].lower()}{message[1:]}"
