"""The bridges between a `Run` and everything outside: JSON, flat names, and `--set` on the command line."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, make_dataclass, replace
from functools import lru_cache
from typing import Any, Final, get_args

import pydantic

from lightning_bam.config.attention import AttentionSpec
from lightning_bam.config.backbone import BackboneSpec
from lightning_bam.config.dataset import DatasetSpec
from lightning_bam.config.detection import Trunk
from lightning_bam.config.run import Run, plain
from lightning_bam.config.spec import KINDS, ConfigError, default_of, first_problem, idle, near, nearest
from lightning_bam.config.task import TaskSpec
from lightning_bam.json_text import SHOWN, short

PARTS: Final[Mapping[str, Mapping[str, type]]] = {"backbone.trunk": {cls.kind: cls for cls in get_args(Trunk)}}
"""What may stand in a knob that is a spec of its own, by kind."""

BASES: Final[Mapping[str, type]] = {
    "attention": AttentionSpec,
    "backbone": BackboneSpec,
    "dataset": DatasetSpec,
    "task": TaskSpec,
}
"""What a class of the user's own is derived from."""
OPTIONAL: Final = ("attention", "task")
"""Slots that may be empty."""
CODE: Final = re.compile("[0-9a-f]{16}")
NAME: Final = re.compile(r"(?!.*__)[a-z]\w{0,63}")

Scalar = str | int | float | bool | None


def construct(cls: type, arguments: Mapping[str, Any], where: str) -> Any:
    """Build a spec; ConfigError, in a line that begins with its place, for an unknown field or a value out of range."""
    try:
        return cls(**arguments)
    except pydantic.ValidationError as error:
        raise ConfigError(first_problem(error, where)) from None


def to_dict(run: Run) -> dict[str, Any]:
    """Return the run as plain JSON data with every field written out; `from_dict` is its inverse."""
    data = {field.name: plain(getattr(run, field.name)) for field in fields(run)}
    return data if run.task is not None else {name: value for name, value in data.items() if name != "task"}


def from_dict(data: Mapping[str, Any]) -> Run:
    """Rebuild a run from `to_dict`'s data; ConfigError for an unknown kind or field, or a value out of range."""
    run: Run = construct(Run, {name: _decode(name, value) for name, value in data.items()}, "")
    return run


def _decode(name: str, value: Any) -> Any:
    if (name not in KINDS and name not in PARTS) or (name in OPTIONAL and value is None):
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
        raise ConfigError(f"{name}={short(value)}: must be an object with a 'kind'")
    knobs = {knob: _decode(f"{name}.{knob}", item) for knob, item in value.items() if knob not in ("kind", "code")}
    if "code" in value:
        return _own(name, value["kind"], value["code"], knobs)
    return construct(_kind(name, value["kind"]), knobs, name)


def _own(slot: str, kind: str, code: Any, knobs: Mapping[str, Any]) -> Any:
    """Build a spec of the user's own: of its class, where that has this code, else of a stand-in."""
    named = isinstance(code, str) and CODE.fullmatch(code) and all(map(NAME.fullmatch, (kind, *knobs)))
    if not named or slot not in BASES:
        raise ConfigError(f"{slot}={kind[:SHOWN]}: its code={short(code)} or a knob's name is none that was written so")
    values = {knob: tuple(value) if isinstance(value, list) else value for knob, value in knobs.items()}
    cls: Any = KINDS[slot].get(kind)
    if cls is not None and cls.code == code:
        return construct(cls, values, slot)
    if not all(isinstance(part, Scalar) for value in values.values() for part in _parts(value)):
        raise ConfigError(f"{slot}={kind}: a knob holds more than numbers, text and lists of these")
    return stand_in(BASES[slot], kind, code, tuple(values))(**values)


def _parts(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


@lru_cache(1024)
def stand_in(base: type, kind: str, code: str, knobs: tuple[str, ...]) -> Any:
    """Return a class for a spec of the user's own whose class, or the code of that, is not known here.

    It has the fields and the identity of the other, and can be read, compared and written; whatever would train it is
    a ConfigError.
    """

    def missing(spec: Any, *_: Any) -> Any:
        raise ConfigError(
            f"{spec.slot}={kind}: the code that run.json names, {code}, is not what a file read here defines; give the "
            "study's file as it was, or run the study to train the present code"
        )

    methods = dict.fromkeys(("build", "layers", "load", "module", "loss", "count", "figures"), missing)
    properties = dict.fromkeys(("shape", "classes"), property(missing))
    return make_dataclass(
        kind,
        [(knob, object) for knob in knobs],
        bases=(base,),
        frozen=True,
        namespace={"kind": kind, "code": code, **methods, **properties},
    )


def _kind(slot: str, kind: str) -> type:
    kinds = PARTS[slot] if slot in PARTS else KINDS[slot]
    if kind not in kinds:
        raise ConfigError(f"{slot}={kind[:SHOWN]}: no such {slot.rpartition('.')[2]}; {nearest(kind, kinds)}")
    return kinds[kind]


def flatten(run: Run) -> dict[str, Scalar]:
    """Return the run as flat names (`attention.reduction`), without what plays no part, as for Optuna and W&B."""
    flat: dict[str, Scalar] = {}
    for field in fields(run):
        unused = (field.name == "placement" and run.attention is None) or (field.name == "task" and run.task is None)
        if not unused:
            flat |= _flat(field.name, getattr(run, field.name))
    return {name: value for name, value in flat.items() if name not in run.idles}


def _flat(name: str, item: Any) -> dict[str, Scalar]:
    if isinstance(item, tuple):
        return {name: ",".join(map(str, item))}
    if isinstance(item, Mapping):
        return {knob: value for option in item for knob, value in _flat(f"{name}.{option}", item[option]).items()}
    if not hasattr(item, "kind"):
        return {name: "none" if name in KINDS else item}
    flat: dict[str, Scalar] = {name: item.kind}
    for field in fields(item):
        if field.name not in idle(item):
            flat |= _flat(f"{name}.{field.name}", getattr(item, field.name))
    return flat


def knobs() -> set[str]:
    """Return the flat name of every knob of every kind that may stand in a run, as `attention.reduction`."""
    parts = {**KINDS, **PARTS}.items()
    return {f"{part}.{field.name}" for part, kinds in parts for cls in kinds.values() for field in fields(cls)}


def with_settings(run: Run, settings: Mapping[str, str]) -> Run:
    """Return the run with flat names (`recipe.epochs`, `attention`, `seed`) set from text, as `--set name=text` does.

    Lists are separated by commas, `none` empties a slot. Another attention module keeps what both have under one name
    (`reduction`); any other slot that gets another kind begins anew. Raises ConfigError, as `construct`.
    """
    names = [field.name for field in fields(Run)]
    slots: dict[str, dict[str, str]] = {}
    for name, text in settings.items():
        slot, _, knob = name.partition(".")
        if slot not in names or (knob and slot not in KINDS):
            hint = nearest(name, near(name, {*names, *knobs()}) or names)
            raise ConfigError(f"{name}: no such knob; {hint}")
        slots.setdefault(slot, {})[knob] = text
    changes = {slot: _slot(run, slot, knobs) for slot, knobs in slots.items()}
    try:
        return replace(run, **changes)
    except pydantic.ValidationError as error:
        raise ConfigError(first_problem(error)) from None


def _slot(run: Run, slot: str, knobs: Mapping[str, str]) -> Any:
    kind, item = knobs.get(""), getattr(run, slot)
    if slot not in KINDS:
        return kind
    for knob, text in knobs.items() if slot == "attention" else ():
        if knob and kind == "none":
            raise ConfigError(f"{slot}.{knob}={text}: {slot}=none has no knobs")
        if item is None and kind is None:
            raise ConfigError(f"{slot}.{knob}={text}: this run has no {slot}; set it first, as in {slot}=bam")
    return None if kind == "none" and slot in OPTIONAL else _changed(item, slot, knobs)


def _changed(item: Any, name: str, knobs: Mapping[str, str]) -> Any:
    """Return the spec `item`, which stands at the flat `name`, with its kind (knob "") and knobs set from text."""
    cls: Any = _kind(name, knobs[""]) if "" in knobs else type(item)
    old = item if type(item) is cls else None
    source = item if name == "attention" else old  # a `width` or `seed` of another kind means something else
    arguments = {f.name: getattr(source, f.name) for f in fields(cls) if hasattr(source, f.name)}
    parts: dict[str, dict[str, str]] = {}
    for knob, text in sorted(knobs.items()):
        head, _, rest = knob.partition(".")
        if f"{name}.{head}" in PARTS and any(f.name == head for f in fields(cls)):
            parts.setdefault(head, {})[rest] = text
        elif rest and isinstance(_default(cls, head), Mapping):
            arguments[head] = {**arguments.get(head, {}), rest: text}
        elif knob:
            arguments[knob] = _parse(cls, knob, text)
    for head, inner in parts.items():
        before = getattr(old, head, next(default_of(f) for f in fields(cls) if f.name == head))
        arguments[head] = _changed(before, f"{name}.{head}", inner)
    return construct(cls, arguments, name)


def _parse(cls: Any, knob: str, text: str) -> Any:
    default = _default(cls, knob)
    if text.lower() in ("", "none") and isinstance(default, Mapping):
        return {}
    if default is None and text.lower() == "none":
        return None
    if isinstance(default, tuple) or (
        default in (None, MISSING) and "tuple" in str(cls.__pydantic_fields__[knob].annotation)
    ):
        return tuple(part for part in text.split(",") if part)
    return text


def _default(cls: Any, knob: str) -> Any:
    return next((default_of(f) for f in fields(cls) if f.name == knob), "")
