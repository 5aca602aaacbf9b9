"""What every description of a run is made of: a frozen, keyword-only, type-checked dataclass with a `kind`."""

import difflib
import re
import sys
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, ClassVar, Final, Self, TypeVar, cast, dataclass_transform

import pydantic

from lightning_bam.config.own_code import NOTHING, code_hash, is_own
from lightning_bam.json_text import short

T = TypeVar("T")

SLOTS: Final = ("dataset", "backbone", "attention", "placement", "recipe", "task")
"""The fields of a `Run` that hold a spec."""
_classes: Final[ChainMap[str, type]] = ChainMap({}, {})
_own: Final[dict[str, dict[str, type]]] = {slot: {} for slot in SLOTS}
_kinds: Final[dict[str, ChainMap[str, type]]] = {slot: ChainMap(_own[slot], {}) for slot in SLOTS}
NEAR: Final = 0.55
"""How much of two names must agree for one to be a hint for the other: more than half."""
LEAST: Final = 4
"""Letters that are enough of a name's beginning to mean it."""
SPECS: Final[Mapping[str, type]] = _classes
"""Every class that `spec` has made, by its name, for hints."""
KINDS: Final[Mapping[str, Mapping[str, type]]] = _kinds
"""What may stand in each slot of a `Run`, by kind: this package's, and those of the study's file that was read last."""


class ConfigError(ValueError):
    """A description that cannot be a run; the message is one line that carries the offending value."""


class Part:
    """What may stand in a slot of a `Run`: a class that `spec` has made.

    `kind` is its name in files and on the command line: if the class does not say, its own in lower case, so that
    `MyGateSpec` is `my_gate`. `code` is a hash of what a class of the user's own computes, empty for this package's,
    and `file` is where it stands. `package` is one that may be missing, and that this package's builds it with.
    """

    slot: ClassVar[str]
    kind: ClassVar[str]
    code: ClassVar[str] = ""
    file: ClassVar[str] = ""
    package: ClassVar[str] = ""

    def __new__(cls, *_values: Any, **_fields: Any) -> Self:
        """Refuse a class that `spec` has not made: its fields would be none."""
        if "__dataclass_fields__" not in vars(cls):
            raise ConfigError(f"{cls.__name__}: is no spec yet; write @spec above `class {cls.__name__}`")
        return super().__new__(cls)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def spec(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, keyword-only dataclass whose fields are checked and converted on construction.

    A class of the user's own, as `class MyGate(AttentionSpec)`, can then stand in a `Run` and be named on the command
    line. ConfigError for a kind that this package has.
    """
    make = pydantic.dataclasses.dataclass(
        frozen=True,
        kw_only=True,
        config=pydantic.ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False),
    )
    file = sys.modules[cls.__module__].__dict__.get("__file__")
    own = file is None or is_own(Path(file))
    if issubclass(cls, Part):
        if "kind" not in vars(cls):
            cls.kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__.removesuffix("Spec")).lower()
        if own:
            file = _check_own(cls, file)
            cls.file, top = file, cls.__qualname__.partition(".")[0]
            cls.code = code_hash(Path(file), top)
            if "<locals>" in cls.__qualname__ or cls.code == NOTHING:
                raise ConfigError(
                    f"{cls.__name__}: is made in a function or a call, with values that its code does not show; write "
                    f"`class {cls.__name__}` at the top of {file}, and make the values its fields"
                )
    checked = cast(type[T], make(cls))
    _classes.maps[0 if own else 1][cls.__name__] = checked
    if issubclass(cls, Part):
        _kinds[cls.slot].maps[0 if own else 1][cls.kind] = checked
    return checked


def _check_own(cls: type[Part], file: str | None) -> str:
    if file is None:
        raise ConfigError(
            f"{cls.__name__}: stands in no file; write it in one (beside the notebook, say) and import it, so that its "
            "code can be part of a run"
        )
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", cls.kind):
        raise ConfigError(f"{cls.__name__}.kind={short(cls.kind)}: must be a name in lower case, as 'my_gate'")
    if cls.kind in _kinds[cls.slot].maps[1]:
        other = _kinds[cls.slot].maps[1][cls.kind].__name__
        raise ConfigError(
            f"{cls.__name__}.kind={cls.kind!r}: is the kind of this package's {other}; rename the class, or write "
            f"kind = 'my_{cls.kind}' in it"
        )
    return file


def forget_own() -> None:
    """Forget the user's own classes: another study's file is read, and may have others of the same names."""
    _classes.maps[0].clear()
    for kinds in _own.values():
        kinds.clear()


def near(name: str, names: Iterable[str]) -> list[str]:
    """Return what a mistyped `name` may have meant of `names`: what it ends behind a dot, or begins, or is nearest."""
    names = sorted(names)
    ends = [one.rpartition(".")[2] for one in names]
    meant = name
    if name not in ends:
        if len(name) >= LEAST and (begun := [one for one in names if one.startswith(name)]):
            return begun
        if close := difflib.get_close_matches(name, names, n=1, cutoff=NEAR):
            return close
        (meant,) = difflib.get_close_matches(name, ends, n=1, cutoff=NEAR) or [""]
    return [one for one, end in zip(names, ends, strict=True) if end == meant != ""]


def nearest(name: str, names: Iterable[str], within: str = "", rest: str = "") -> str:
    """Return a hint for a mistyped `name`: what is `near`, else the first twenty of `names`, or eight and the `rest`.

    `within` is what stands in front of the name and of all of `names`, as `recipe.`; `rest` says what lists them all.
    """
    names = sorted(names)
    if close := near(name, names):
        return f"did you mean {' or '.join(repr(within + one) for one in close[:3])}?"
    if rest and len(names) > 8:
        return f"known: {', '.join(names[:8])}, ... ({rest})"
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
    if problem["type"] in ("dataclass_type", "is_instance_of"):
        return _no_spec(problems, where)
    path = ".".join(str(part) for part in (where, *problem["loc"]) if str(part))
    if problem["type"] == "missing":
        return f"{path}: must be given"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "unexpected_keyword_argument":
        *within, name = map(str, problem["loc"])
        cls: Any = next(SPECS[part] for part in (*reversed(within), error.title) if part in SPECS)
        knobs, parent = [field.name for field in fields(cls)], path.removesuffix(name)
        return f"{path}: no such knob; {nearest(name, knobs, parent) if knobs else f'{cls.kind!r} has no knobs'}"
    if problem["type"] == "tuple_type" and isinstance(value, int | float | str):
        message = f"must be a tuple, as ({short(value)},)"
    message = message[:1].lower() + message[1:]
    if problem["type"] == "value_error" or hasattr(value, "__pydantic_fields__"):
        return f"{path}: {message}" if path else message
    return f"{path}={short(value)}: {message}"


def _no_spec(problems: Sequence[Any], where: str) -> str:
    """Say which spec to write where something else stands, as `EveryBlock()` for 'every_block'."""
    value, loc = problems[0]["input"], [part for part in problems[0]["loc"] if "[" not in str(part)]
    classes = [p["ctx"]["class_name"] for p in problems if p["type"] == "dataclass_type"]
    path = ".".join(str(part) for part in (where, *loc) if str(part) and part not in classes)
    specs = [SPECS[name] for name in classes] if classes else list(KINDS[str(loc[-1])].values())
    kinds = {str(getattr(cls, "kind", cls.__name__)): f"{cls.__name__}()" for cls in specs}
    close = difflib.get_close_matches(str(value), kinds, n=1, cutoff=0.5)
    return f"{path}={short(value)}: write {kinds[close[0]] if close else ' or '.join(kinds.values())}"
