"""Ablations that changed nothing, by hand: what may be called so, from when on, and what is only asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.checks.identical_rows import IdenticalRow, identical_rows
from lightning_bam.config import BAMSpec, Recipe, Run, SESpec
from lightning_bam.run_folder.manifest import Manifest
from lightning_bam.run_folder.result import Result
from studies.definition.panels import Panel
from studies.records.records import Record

ROWS = {
    "none": Run(),
    "d=4": Run(attention=BAMSpec(dilation=4)),
    "d=8": Run(attention=BAMSpec(dilation=8)),
    "SE": Run(attention=SESpec()),
    "slow": Run(recipe=Recipe(lr=0.01)),
}
COUNTS = {"none": (5, 50), "d=4": (7, 70), "d=8": (7, 70), "SE": (6, 60), "slow": (5, 50)}
EPOCHS = 3


def record(row, seed=0, losses=(), first=None, error=20.0):
    """Return the record of a run with these losses, complete if they are of all epochs, and its first step's."""
    done = len(losses) == EPOCHS
    figures = {"error_top1": error, "error_top5": 1.0, "correct_top1": 1, "correct_top5": 1, "loss": 1.0, "scored": 5}
    made = Record(
        row=row,
        run=replace(ROWS[row], seed=seed),
        folder=None,
        state="complete" if done else "running",
        result=Result(**figures, epochs=EPOCHS, params=1, macs=1, seconds=1.0) if done else None,
        epochs=len(losses),
    )
    lines = [{"epoch": epoch, "train_loss": loss, "error_top1": 50.0 - epoch} for epoch, loss in enumerate(losses)]
    if done:
        lines[-1]["error_top1"] = error
    made.__dict__["metrics"] = lines
    made.__dict__["manifest"] = Manifest(first_loss=first)
    return made


def notes(*records, counts=COUNTS, baseline="none"):
    """Return what is said of one panel with these runs."""
    rows = {row: {record.run.seed: record for record in records if record.row == row} for row in ROWS}
    rows = {row: runs for row, runs in rows.items() if runs}
    return [identical.note for identical in identical_rows(rows, [Panel(baseline, tuple(rows))], counts).values()]


WHOLE = "Row 'd=8' computed exactly what row 'd=4' did: the change changed nothing."
YET = "Row 'd=8' computed exactly what row 'd=4' did as far as they are trained: the change changed nothing."
ASKED = "Row 'd=8': same counts and same first-step loss as row 'd=4': does the change act at all?"
PARTS = (
    "Row 'd=8': same counts and same first-step loss as row 'd=4', other losses later: the change acts from the second "
    "step on, as a gate that starts at zero does, or not at all on a device whose sums differ from call to call."
)
ALL = (2.0, 1.5, 1.25)


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        # finished
        ({"losses": ALL}, {"losses": ALL}, [WHOLE]),
        ({"losses": ALL, "first": 2.5}, {"losses": ALL, "first": 2.5}, [WHOLE]),
        ({"losses": ALL, "first": 2.5}, {"losses": ALL, "first": 2.5 + 1e-15}, []),
        ({"losses": ALL}, {"losses": (2.0 + 1e-15, *ALL[1:])}, []),
        ({"losses": ALL}, {"losses": (*ALL[:2], 1.0)}, []),
        ({"losses": ALL}, {"losses": ALL, "error": 21.0}, []),
        ({"losses": ALL, "first": 2.5}, {"losses": (2.0, 1.4, 1.3), "first": 2.5}, [PARTS]),
        # unfinished: an epoch tells, a first step asks
        ({"losses": ALL[:1], "first": 2.5}, {"losses": ALL, "first": 2.5}, [YET]),
        ({"losses": ALL[:2]}, {"losses": ALL[:1]}, [YET]),
        ({"losses": (), "first": 2.5}, {"losses": (), "first": 2.5}, [ASKED]),
        ({"losses": (), "first": 2.5}, {"losses": ALL, "first": 2.5}, [ASKED]),
        ({"losses": (), "first": 2.5}, {"losses": (), "first": 2.25}, []),
        ({"losses": (), "first": None}, {"losses": ALL, "first": 2.5}, []),
        ({"losses": (2.0,), "first": 2.5}, {"losses": (2.1,), "first": 2.5}, [PARTS]),
    ],
)
def test_two_settings_of_one_knob(ours, theirs, said):
    assert notes(record("d=4", **ours), record("d=8", **theirs), baseline="d=4") == said


def test_one_seed_that_differs_is_enough():
    same = [record(row, seed, ALL, 2.5 + seed) for row in ("d=4", "d=8") for seed in range(3)]
    assert notes(*same, baseline="d=4") == [WHOLE]
    assert notes(*same[:-1], record("d=8", 2, ALL, 9.0), baseline="d=4") == []
    assert notes(*same[:-1], record("d=8", 2, (2.0, 1.5, 1.0), 4.5), baseline="d=4") == [PARTS]
    assert notes(*same[:-1], record("d=8", 2, (), 4.5), baseline="d=4") == [YET]
    assert notes(*same[:2], record("d=8", 7, ALL, 9.5), baseline="d=4") == [], "no seed in common"


def test_a_module_that_is_never_called_has_other_counts_and_changes_nothing():
    told = "Row 'SE' computed exactly what row 'none' did: the change changed nothing."
    assert notes(record("none", losses=ALL), record("SE", losses=ALL)) == [told]


@pytest.mark.parametrize("counts", [(7, 71), (8, 70), (None, None), (7, None)])
def test_a_first_step_is_asked_about_at_equal_counts_only(counts):
    runs = [record(row, first=2.5) for row in ("d=4", "d=8")]
    assert notes(*runs, counts=COUNTS | {"d=8": counts}, baseline="d=4") == []
    assert notes(*runs, counts=COUNTS | {"d=4": counts, "d=8": counts}, baseline="d=4") == [ASKED] * (
        None not in counts
    )


def test_the_recipe_acts_after_the_first_step_and_two_schedules_part_late():
    def pair(ours, theirs):
        return [record("none", losses=ours, first=2.5), record("slow", losses=theirs, first=2.5)]

    assert notes(*pair((), ())) == []
    assert notes(*pair(ALL[:2], ALL[:2])) == [], "may still part"
    assert notes(*pair(ALL, ALL[:2])) == []
    assert notes(*pair(ALL, (2.0, 1.5, 1.0))) == []
    told = "Row 'slow' computed exactly what row 'none' did: the change changed nothing."
    assert notes(*pair(ALL, ALL)) == [told]


def test_a_shorter_run_that_ends_at_the_same_figure_is_another_training():
    whole = record("none", losses=ALL, error=49.0)
    shorter = replace(record("slow", losses=ALL, error=49.0), epochs=2)
    shorter.__dict__.update(metrics=whole.metrics[:2], manifest=Manifest())
    assert notes(whole, shorter) == [], "the third epoch did not change the error of the second"


def test_the_twin_that_agrees_in_all_goes_before_one_that_agrees_in_a_step():
    runs = [
        record("d=8", losses=(2.0, 1.4, 1.3), first=2.5),
        record("none", losses=ALL, first=2.5),
        record("d=4", losses=ALL, first=2.5),
    ]
    counts = dict.fromkeys(COUNTS, (1, 1))
    assert notes(*runs, counts=counts, baseline="d=8")[-1] == (
        "Row 'd=4' computed exactly what row 'none' did: the change changed nothing."
    )


def test_rows_of_different_panels_are_not_compared():
    runs = {row: {0: record(row, losses=ALL)} for row in ("none", "d=4", "d=8")}
    assert list(identical_rows(runs, [Panel("none", ("none", "d=4")), Panel("d=8", ("d=8",))], COUNTS)) == ["d=4"]


def is_like(row, other, rows, counts):
    """Compare two rows by the definition, every seed and every epoch."""
    both = [(rows[row][seed], rows[other][seed]) for seed in rows[row] if seed in rows[other]]
    steps = [tuple(one.manifest.first_loss for one in pair) for pair in both]
    if any(None not in pair and pair[0] != pair[1] for pair in steps):
        return None
    trained = [bool(ours.epochs and theirs.epochs) for ours, theirs in both]
    equal = [
        all(a["train_loss"] == b["train_loss"] for a, b in zip(ours.metrics, theirs.metrics, strict=False))
        and (ours.result == theirs.result or not (ours.result and theirs.result))
        for ours, theirs in both
    ]
    finished = all(ours.result and theirs.result for ours, theirs in both)
    recipe = "slow" in (row, other)
    if any(trained) and all(equal):
        return IdenticalRow(row=row, other=other, whole=True, finished=finished) if finished or not recipe else None
    parted = equal.index(False) if False in equal else len(equal)
    if any(busy and None in pair for busy, pair in list(zip(trained, steps, strict=True))[parted:]):
        return None  # from there on the first step alone could tell
    if any(None not in pair for pair in steps) and not recipe and counts[row] == counts[other]:
        return IdenticalRow(row=row, other=other, whole=False, finished=finished, parts=any(trained))
    return None


RUNS = st.builds(
    dict,
    losses=st.lists(st.sampled_from([1.0, 2.0]), max_size=EPOCHS).map(tuple),
    first=st.sampled_from([None, 2.5, 2.5, 2.5, 3.0]),
    error=st.sampled_from([20.0, 20.0, 21.0]),
)


@given(st.dictionaries(st.tuples(st.sampled_from(list(ROWS)), st.integers(0, 2)), RUNS, max_size=12), st.booleans())
def test_twins_are_those_that_comparing_every_pair_finds(made, same_counts):
    counts = dict.fromkeys(COUNTS, (1, 1)) if same_counts else COUNTS
    rows = {row: {} for row in ROWS}
    for (row, seed), kind in sorted(made.items()):
        rows[row][seed] = record(row, seed, **kind)
    wanted = {}
    for place, row in enumerate(ROWS):
        likes = [like for other in list(ROWS)[:place] if (like := is_like(row, other, rows, counts)) is not None]
        if likes:
            wanted[row] = next((like for like in likes if like.whole), likes[0])
    assert identical_rows(rows, [Panel("none", tuple(ROWS))], counts) == wanted
