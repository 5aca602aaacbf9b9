"""The bridges between a `Run` and everything outside: JSON, flat names, and `--set` on the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, get_args

import pydantic

from lightning_bam.config.attention import Attention
from lightning_bam.config.backbone import Backbone
from lightning_bam.config.dataset import Dataset
from lightning_bam.config.placement import Placement
from lightning_bam.config.recipe import Recipe
from lightning_bam.config.run import Run
from lightning_bam.config.spec import ConfigError, default_of, first_problem, idle

KINDS: Final[Mapping[str, Mapping[str, type]]] = {
    "dataset": {cls.kind: cls for cls in get_args(Dataset)},
    "backbone": {cls.kind: cls for cls in get_args(Backbone)},
    "attention": {cls.kind: cls for cls in get_args(Attention)},
    "placement": {cls.kind: cls for cls in get_args(Placement)},
    "recipe": {Recipe.kind: Recipe},
}
"""What may stand in each slot of a `Run`, by kind."""

Scalar = str | int | float | bool | None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint for a mistyped `name`: the nearest known one, else what is known."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known[:20])}{' ...' if len(known) > 20 else ''}"


def construct(cls: type, arguments: Mapping[str, Any], where: str) -> Any:
    """Build a spec, turning any problem into one line that begins with its place.

    Raises:
        ConfigError: an unknown field (with the nearest name) or a value outside its range.

    """
    known = [f.name for f in fields(cls)]
    for name in arguments:
        if name not in known:
            dot = f"{where}." if where else ""
            hint = nearest(name, known) if known else f"{getattr(cls, 'kind', where)!r} has no knobs"
            raise ConfigError(f"{dot}{name}: no such knob; {hint}")
    try:
        return cls(**arguments)
    except pydantic.ValidationError as error:
        raise ConfigError(first_problem(error, where)) from None


def to_dict(run: Run) -> dict[str, Any]:
    """Return the run as plain JSON data with every field written out; `from_dict` is its inverse."""

    def plain(item: Any) -> Any:
        if is_dataclass(item) and not isinstance(item, type):
            kind = {} if isinstance(item, Run) else {"kind": getattr(item, "kind", "")}
            return kind | {f.name: plain(getattr(item, f.name)) for f in fields(item)}
        return list(item) if isinstance(item, tuple) else item

    return plain(run)  # type: ignore[no-any-return]


def from_dict(data: Mapping[str, Any]) -> Run:
    """Rebuild a run from `to_dict`'s data.

    Raises:
        ConfigError: an unknown kind or field, or a value outside its range.

    """
    parts: dict[str, Any] = {}
    for name, value in data.items():
        if name in KINDS and not (name == "attention" and value is None):
            if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
                raise ConfigError(f"{name}={value!r}: must be an object with a 'kind'")
            rest = {key: item for key, item in value.items() if key != "kind"}
            parts[name] = construct(_kind(name, value["kind"]), rest, name)
        else:
            parts[name] = value
    run: Run = construct(Run, parts, "")
    return run


def _kind(slot: str, kind: str) -> type:
    if kind not in KINDS[slot]:
        raise ConfigError(f"{slot}={kind}: no such {slot}; {nearest(kind, KINDS[slot])}")
    return KINDS[slot][kind]


def flatten(run: Run) -> dict[str, Scalar]:
    """Return the run as flat names (`attention.reduction`): columns, Optuna's parameters, W&B's config.

    What plays no part is left out: no placement without attention, no `attention.dilation` in a channel branch.
    """
    flat: dict[str, Scalar] = {}
    for field in fields(run):
        value = getattr(run, field.name)
        if field.name == "placement" and run.attention is None:
            continue
        if field.name not in KINDS:
            flat[field.name] = value
            continue
        flat[field.name] = "none" if value is None else value.kind
        for inner in fields(value) if value is not None else ():
            if inner.name in idle(value):
                continue
            item = getattr(value, inner.name)
            flat[f"{field.name}.{inner.name}"] = ",".join(map(str, item)) if isinstance(item, tuple) else item
    return flat


def with_settings(run: Run, settings: Mapping[str, str]) -> Run:
    """Return the run with flat names set from text, as `--set name=text` does.

    Args:
        run: the run to change.
        settings: flat names such as `recipe.epochs`, `attention` or `seed`, and their values as written; lists are
            separated by commas, `none` empties a slot. A slot's kind and its knobs are set in one step.

    Raises:
        ConfigError: an unknown name (with the nearest one) or a value outside its range.

    """
    known = [f.name for f in fields(Run)]
    slots: dict[str, dict[str, str]] = {}
    for name, text in settings.items():
        slot, _, knob = name.partition(".")
        if slot not in known or (knob and slot not in KINDS):
            raise ConfigError(f"{name}: no such knob; {nearest(name, _all_names())}")
        slots.setdefault(slot, {})[knob] = text
    changes = {slot: _slot(run, slot, knobs) for slot, knobs in slots.items()}
    try:
        return replace(run, **changes)
    except pydantic.ValidationError as error:
        raise ConfigError(first_problem(error)) from None


def _slot(run: Run, slot: str, knobs: Mapping[str, str]) -> Any:
    kind = knobs.get("")
    if slot not in KINDS:
        return kind
    if kind == "none" and slot == "attention":
        for knob in filter(None, knobs):
            raise ConfigError(f"{slot}.{knob}={knobs[knob]}: {slot}=none has no knobs")
        return None
    item: Any = getattr(run, slot)
    cls = _kind(slot, kind) if kind is not None else type(item)
    if item is None and kind is None:
        knob, text = next(iter(knobs.items()))
        raise ConfigError(f"{slot}.{knob}={text}: this run has no {slot}; set it first, as in {slot}=bam")
    kept = [f.name for f in fields(cls)] if type(item) is cls else []
    changed = {knob: _parse(cls, knob, text) for knob, text in knobs.items() if knob}
    return construct(cls, {name: getattr(item, name) for name in kept} | changed, slot)


def _parse(cls: Any, knob: str, text: str) -> Any:
    default = next((default_of(f) for f in fields(cls) if f.name == knob), "")
    if default is None and text.lower() == "none":
        return None
    if default is None or isinstance(default, tuple):
        return tuple(part for part in text.split(",") if part)
    return text


def _all_names() -> list[str]:
    names = {f.name for f in fields(Run)}
    for slot, kinds in KINDS.items():
        names |= {f"{slot}.{f.name}" for cls in kinds.values() for f in fields(cls)}
    return sorted(names)
