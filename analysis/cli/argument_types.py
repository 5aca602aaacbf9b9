"""What turns an argument's text into what it means, or says what was wanted."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def checked(convert: Callable[[str], Any], wanted: str) -> Callable[[str], Any]:
    """Return a converter whose failure says what was `wanted`."""

    def converter(text: str) -> Any:
        try:
            return convert(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}") from None

    return converter


def setting(text: str) -> tuple[str, str]:
    """Split `name=value`."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError
    return name.strip(), value.strip()


def positive(text: str) -> int:
    """Return a whole number above 0."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def up_to(most: int, least: int = 1) -> Callable[[str], Any]:
    """Return a converter to a whole number from `least` to `most`."""

    def converter(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError
        return number

    return checked(converter, f"a number from {least} to {most:,}")


def whole(text: str) -> int:
    """Return a whole number from 0 up."""
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def points(text: str) -> float:
    """Return percentage points, above 0 and below 100."""
    number = float(text)
    if not 0 < number < 100:
        raise ValueError
    return number


def rising(text: str) -> tuple[int, ...]:
    """Return whole numbers from 2 up that rise, as `4,8,12`."""
    numbers = tuple(int(part) for part in text.split(","))
    if numbers[0] < 2 or list(numbers) != sorted(set(numbers)):
        raise ValueError
    return numbers
