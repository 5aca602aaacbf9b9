"""What every description of a run is made of: a frozen, keyword-only, type-checked dataclass with a `kind`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, ClassVar, Protocol, TypeVar, cast, dataclass_transform

import pydantic

T = TypeVar("T")


class ConfigError(ValueError):
    """A description that cannot be a run; the message is one line that carries the offending value."""


class Spec(Protocol):
    """Anything decorated with `spec`: a dataclass whose class names its `kind`."""

    kind: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass_transform(kw_only_default=True, frozen_default=True)
def spec(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, keyword-only dataclass whose fields are checked and converted on construction."""
    make = pydantic.dataclasses.dataclass(
        frozen=True,
        kw_only=True,
        config=pydantic.ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False),
    )
    return cast(type[T], make(cls))


def once(function: Callable[[Any], T], item: Any) -> T:
    """Return `function(item)`, computed once for each spec: the runs of a row share theirs, and they are frozen."""
    known = vars(item)
    name = function.__qualname__
    if name not in known:
        known[name] = function(item)
    return cast(T, known[name])


def default_of(field: Any) -> Any:
    """Return a dataclass field's default value (MISSING if it has none)."""
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING


def idle(item: Any) -> frozenset[str]:
    """Return the fields of a spec that play no part, given its others (as it says itself in a method `idle`)."""
    found: frozenset[str] = item.idle() if hasattr(item, "idle") else frozenset()
    return found


def changed(item: Spec) -> dict[str, Any]:
    """Return the fields of `item` that play a part and differ from their defaults, by name."""
    played = [f for f in fields(item) if f.name not in idle(item)]
    return {f.name: getattr(item, f.name) for f in played if getattr(item, f.name) != default_of(f)}


def first_problem(error: pydantic.ValidationError, where: str = "") -> str:
    """Say the first problem of a validation error in one line: field, value, what would be right."""
    problem = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in (where, *problem["loc"]) if str(part))
    if problem["type"] == "missing":
        return f"{path}: must be given"
    message = problem["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    shown = problem["input"]
    if problem["type"] == "value_error" or hasattr(shown, "__pydantic_fields__"):
        return f"{path}: {message}" if path else message
    return f"{path}={shown!r}: {message}"
