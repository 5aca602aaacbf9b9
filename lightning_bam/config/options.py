"""Named arguments of something that torch makes: data that does not change, in one spelling."""

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

Option = bool | int | float | str | tuple[int | float, ...]


class Options(Mapping[str, Option]):
    """Named arguments in order of their names; each is true or false, a number, a word, or two numbers and more.

    Text means what it says (`"1e-8"`, `"0.9,0.95"`, `"true"`), a whole number is one however it is written (`2.0`), and
    what is None, or `none`, is left out: torch's own default. So equal options are equal, and have one hash.

    Raises ValueError: a name or a value that is none of these, in a line that begins with the name.
    """

    def __init__(self, values: Mapping[str, Any] = MappingProxyType({})) -> None:
        if not isinstance(values, Mapping):
            raise ValueError("give options by name, as {'eps': 1e-08}")  # noqa: TRY004  # pydantic's kind
        read = {name: _read(name, value) for name, value in values.items()}
        self._values = {name: value for name, value in sorted(read.items()) if value is not None}

    def __getitem__(self, name: str) -> Option:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(tuple(self._values.items()))

    def __repr__(self) -> str:
        return repr(self._values)


def _read(name: Any, value: Any) -> Option | None:
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"{name!r:.40}: an option has a name, as eps")
    listed = isinstance(value, list | tuple) or (isinstance(value, str) and "," in value)
    parts = [value] if not listed else value.split(",") if isinstance(value, str) else value
    words = [_word(part) for part in parts]
    if listed and len(words) > 1 and all(map(_is_number, words)):
        return tuple(words)
    word = words[0] if not listed else ""
    if word is None or isinstance(word, bool) or _is_number(word) or (isinstance(word, str) and word.isidentifier()):
        return word
    raise ValueError(f"{name}={value!r:.40}: give a number, true or false, a word, or numbers as 0.9,0.99")


def _word(value: Any) -> Any:
    """Return what a text says, and a number in its one spelling; anything else as it is."""
    if isinstance(value, str):
        text = value.strip()
        known = {"true": True, "false": False, "none": None}
        if text.lower() in known:
            return known[text.lower()]
        try:
            value = float(text)
        except ValueError:
            return text
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
