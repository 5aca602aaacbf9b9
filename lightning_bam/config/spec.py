"""What every description of a run is made of: a frozen, keyword-only, type-checked dataclass with a `kind`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, fields
from typing import Any, ClassVar, Final, Protocol, TypeVar, cast, dataclass_transform

import pydantic

from lightning_bam.json_text import short

T = TypeVar("T")

SPECS: Final[dict[str, type]] = {}
"""Every class that `spec` has made, by its name, for hints."""


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
    SPECS[cls.__name__] = made = cast(type[T], make(cls))
    return made


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint for a mistyped `name`: the nearest known one, else what is known."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known[:20])}{' ...' if len(known) > 20 else ''}"


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
    problems = error.errors(include_url=False)
    misspelt = (p for p in problems if p["type"] == "unexpected_keyword_argument" and len(p["loc"]) == 1)
    problem = next(misspelt, problems[0])  # rather than that the field which it stands for is missing
    shown = problem["input"]
    if problem["type"] == "dataclass_type":
        return _no_spec(problems, where)
    path = ".".join(str(part) for part in (where, *problem["loc"]) if str(part))
    if problem["type"] == "missing":
        return f"{path}: must be given"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "unexpected_keyword_argument":
        *within, name = map(str, problem["loc"])
        cls = next(SPECS[part] for part in (*reversed(within), error.title) if part in SPECS)
        knobs = [field.name for field in fields(cast(Any, cls))]
        message = f"no such knob; {nearest(name, knobs) if knobs else 'it has none'}"
    elif problem["type"] == "tuple_type" and isinstance(shown, int | float | str):
        message = f"must be a tuple, as ({short(shown)},)"
    message = message[:1].lower() + message[1:]
    if problem["type"] == "value_error" or hasattr(shown, "__pydantic_fields__"):
        return f"{path}: {message}" if path else message
    return f"{path}={short(shown)}: {message}"


def _no_spec(problems: Sequence[Any], where: str) -> str:
    """Say which spec to write where something else stands, as `EveryBlock()` for 'every_block'."""
    shown, classes = problems[0]["input"], [p["ctx"]["class_name"] for p in problems if p["type"] == "dataclass_type"]
    path = ".".join(str(part) for part in (where, *problems[0]["loc"]) if str(part) and part not in classes)
    kinds = {str(getattr(SPECS.get(name), "kind", name)): f"{name}()" for name in classes}
    close = difflib.get_close_matches(str(shown), kinds, n=1, cutoff=0.5)
    return f"{path}={short(shown)}: write {kinds[close[0]] if close else ' or '.join(kinds.values())}"
