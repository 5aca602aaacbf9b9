"""What every description of a run is made of: a frozen, keyword-only, type-checked dataclass with a `kind`."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from typing import Any, Final, TypeVar, cast, dataclass_transform

import pydantic

from lightning_bam.json_text import short

T = TypeVar("T")

SPECS: Final[dict[str, type]] = {}
"""Every class that `spec` has made, by its name, for hints."""


class ConfigError(ValueError):
    """A description that cannot be a run; the message is one line that carries the offending value."""


@dataclass_transform(kw_only_default=True, frozen_default=True)
def spec(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, keyword-only dataclass whose fields are checked and converted on construction."""
    make = pydantic.dataclasses.dataclass(
        frozen=True,
        kw_only=True,
        config=pydantic.ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False),
    )
    SPECS[cls.__name__] = checked = cast(type[T], make(cls))
    return checked


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a hint for a mistyped `name`: the nearest of `names`, else the first twenty of them."""
    names = sorted(names)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names[:20])}{' ...' if len(names) > 20 else ''}"


def default_of(field: Any) -> Any:
    """Return a dataclass field's default value (MISSING if it has none)."""
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING


def idle(item: Any) -> frozenset[str]:
    """Return the fields of a spec that play no part, given its others (as it says itself in a method `idle`)."""
    names: frozenset[str] = item.idle() if hasattr(item, "idle") else frozenset()
    return names


def changed(item: Any) -> dict[str, Any]:
    """Return the fields of a spec that play a part and differ from their defaults, by name."""
    values = {field.name: getattr(item, field.name) for field in fields(item) if field.name not in idle(item)}
    defaults = {field.name: default_of(field) for field in fields(item)}
    return {name: value for name, value in values.items() if value != defaults[name]}


def first_problem(error: pydantic.ValidationError, where: str = "") -> str:
    """Say the first problem of a validation error in one line: field, value, what would be right."""
    problems = error.errors(include_url=False)
    names = (problem for problem in problems if problem["type"] == "unexpected_keyword_argument")
    problem = next(names, problems[0])
    value = problem["input"]
    if problem["type"] == "dataclass_type":
        return _no_spec(problems, where)
    path = ".".join(str(part) for part in (where, *problem["loc"]) if str(part))
    if problem["type"] == "missing":
        return f"{path}: must be given"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "unexpected_keyword_argument":
        *within, name = map(str, problem["loc"])
        cls: Any = next(SPECS[part] for part in (*reversed(within), error.title) if part in SPECS)
        knobs = [field.name for field in fields(cls)]
        return f"{path}: no such knob; {nearest(name, knobs) if knobs else f'{cls.kind!r} has no knobs'}"
    if problem["type"] == "tuple_type" and isinstance(value, int | float | str):
        message = f"must be a tuple, as ({short(value)},)"
    message = message[:1].lower() + message[1:]
    if problem["type"] == "value_error" or hasattr(value, "__pydantic_fields__"):
        return f"{path}: {message}" if path else message
    return f"{path}={short(value)}: {message}"


def _no_spec(problems: Sequence[Any], where: str) -> str:
    """Say which spec to write where something else stands, as `EveryBlock()` for 'every_block'."""
    value, classes = problems[0]["input"], [p["ctx"]["class_name"] for p in problems if p["type"] == "dataclass_type"]
    path = ".".join(str(part) for part in (where, *problems[0]["loc"]) if str(part) and part not in classes)
    kinds = {str(getattr(SPECS.get(name), "kind", name)): f"{name}()" for name in classes}
    close = difflib.get_close_matches(str(value), kinds, n=1, cutoff=0.5)
    return f"{path}={short(value)}: write {kinds[close[0]] if close else ' or '.join(kinds.values())}"
