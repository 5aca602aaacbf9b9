"""Flat names of rows (`recipe.lr`): set from text, and rows chosen by them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TypeVar

from lightning_bam.config import Run, flatten, nearest, with_settings
from studies.errors import StudyError

T = TypeVar("T")


def find_preset(name: str, presets: Mapping[str, T], preset: str) -> T:
    """Return a preset of the study `name`; a StudyError where it has none such."""
    if preset not in presets:
        raise StudyError(f"{name}: no preset {preset!r}; {nearest(preset, presets) if presets else 'it has none'}")
    return presets[preset]


def at_scale(scale: Run, run: Run, varied: Iterable[str] = ()) -> Run:
    """Return a run with the data, backbone and recipe of `scale`; `varied` knobs of the recipe stay its own."""
    names = [name.removeprefix("recipe.") for name in varied if name.startswith("recipe.")]
    recipe = replace(scale.recipe, **{name: getattr(run.recipe, name) for name in names})
    return replace(run, dataset=scale.dataset, backbone=scale.backbone, recipe=recipe)


def with_all_settings(rows: Mapping[str, Run], settings: Mapping[str, str]) -> dict[str, Run]:
    """Return the rows with flat names set from text in every row that has them; a ConfigError where none has."""
    for name in settings:
        if not any(_has(run, name, settings) for run in rows.values()):
            with_settings(list(rows.values())[-1], {name: settings[name]})  # says what is wrong with the name
    return {
        row: with_settings(run, {name: v for name, v in settings.items() if _has(run, name, settings)})
        for row, run in rows.items()
    }


def setting_texts(runs: Iterable[Run], settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return what was set in these runs as `recipe.lr=0.05`, in order: one spelling, however it was given (`5e-2`)."""
    flats = [flatten(run) for run in runs]
    values = {name: next((flat[name] for flat in flats if name in flat), text) for name, text in settings.items()}
    return tuple(f"{name}={value}" for name, value in sorted(values.items()))


def select_rows(rows: Mapping[str, Run], baselines: Sequence[str], selectors: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the rows whose flat names (or `row`, the label) have these values; a StudyError if only baselines have."""
    flats = {row: flatten(run) | {"row": row} for row, run in rows.items()}
    selection = set(rows) - set(baselines)
    for name, values in selectors.items():
        option = f"--only {name}={','.join(values)}"
        texts = {row: str(flat[name]) for row, flat in flats.items() if name in flat}
        if not texts:
            raise StudyError(f"{option}: no such name; {_meant(name, values[0], flats)}")
        wanted = {value.lower() for value in values}
        selection = {row for row in selection if texts.get(row, "").lower() in wanted}
        if not selection:
            raise StudyError(f"{option}: no row but the baseline; values: {', '.join(sorted(set(texts.values())))}")
    return selection


def _meant(name: str, value: str, flats: Mapping[str, Mapping[str, object]]) -> str:
    """Say what may have been meant by a selector: a row that is labelled so (`r=4`), or a name."""
    if label := next((row for row in flats if row.lower() == f"{name}={value}".lower()), None):
        return f"did you mean {f'row={label}'!r}?"
    names = {n for flat in flats.values() for n in flat}
    return nearest(name, names, rest="`bam table STUDY --runs` has those in which rows differ")


def _has(run: Run, name: str, settings: Mapping[str, str]) -> bool:
    """Say whether a run has a knob of that flat name, before or after its slot is set to another kind."""
    slot, _, knob = name.partition(".")
    knob = knob.partition(".")[0]  # what stands in a knob is set with it
    if slot == "placement" and run.attention is None:
        return False
    item = getattr(run, slot, None)
    return not knob or slot in settings or (item is not None and knob in {f.name for f in fields(item)})
