"""Rows that trained as another row did: what was changed changed nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lightning_bam.config import flatten
from studies.headline import reported, so_far
from studies.panels import Panel
from studies.records import Record

Runs = Mapping[int, Record]
"""A row's runs, finished or not: seed -> record."""
Counts = tuple[int | None, int | None]
"""Parameters and multiply-accumulates of one image; None where unknown."""


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A row, the row that it is like, and how much of them is alike.

    Attributes:
        row: the later one.
        other: the baseline, or an earlier row of the same panel.
        whole: whether all that both have trained agrees; else their counts and the loss of their first step do.
        finished: whether all runs of the two that were compared are complete.
        parts: whether, where only the first step agrees, the first epoch is known to differ.

    """

    row: str
    other: str
    whole: bool
    finished: bool
    parts: bool = False

    @property
    def note(self) -> str:
        """What a table says of it."""
        if self.whole:
            yet = "" if self.finished else " as far as they are trained"
            return f"Row {self.row!r} computed exactly what row {self.other!r} did{yet}: the change changed nothing."
        same = f"Row {self.row!r}: same counts and same first-step loss as row {self.other!r}"
        if self.parts:
            return (
                f"{same}, other losses later: the change acts from the second step on, as a gate that starts at zero "
                "does, or not at all on a device whose sums differ from call to call."
            )
        return f"{same}: does the change act at all?"


def twins(rows: Mapping[str, Runs], panels: Sequence[Panel], counts: Mapping[str, Counts]) -> dict[str, Twin]:
    """Return each row that trained as the baseline or an earlier row of its panel did, finished or not.

    A row *changed nothing* if at every seed at which both have finished an epoch, each epoch that both have has the
    same training loss and the same test figure to the last digit, the finished runs the same final figure, and no
    first step (`first_loss` in the manifest) differs. Counts need not agree: a module that nobody calls has
    parameters too. This says something as soon as one epoch is done. Two settings of the recipe may however agree for
    a while and then part, as two schedules do at their first milestone, so rows that differ in the recipe are called
    so only when the runs compared are complete.

    Where that does not hold but the counts agree and, at every seed that both have, the first-step loss, the row is
    asked about and no more: a gate that starts at zero, or a knob of the optimizer, rightly does nothing in the first
    step. For rows that differ in the recipe, which acts after that step by its nature, there is no such question.

    Args:
        rows: row -> seed -> record, of every run that has begun.
        panels: the parts of the study within which rows are compared.
        counts: row -> its counts.

    """
    found = {}
    for panel in panels:
        order = sorted(panel.rows, key=lambda row: row != panel.baseline)
        for place, row in enumerate(order):
            likes = [like for other in order[:place] if (like := _like(row, other, rows, counts)) is not None]
            if likes:
                found[row] = next((like for like in likes if like.whole), likes[0])
    return found


def _like(row: str, other: str, rows: Mapping[str, Runs], counts: Mapping[str, Counts]) -> Twin | None:
    if not rows[row] or not rows[other]:
        return None
    whole = finished = True
    trained = stepped = False
    for seed, ours in rows[row].items():
        theirs = rows[other].get(seed)
        if theirs is None:
            continue
        a, b = ours.manifest.get("first_loss"), theirs.manifest.get("first_loss")
        known = a is not None and b is not None
        if known and a != b:
            return None
        if ours.epochs and theirs.epochs:
            trained = True
            whole = whole and _agree(ours, theirs)
            if not whole and not known:
                return None
        stepped = stepped or known
        finished = finished and bool(ours.result) and bool(theirs.result)
    recipe = _differ_in_recipe(rows[row], rows[other])
    if trained and whole and (finished or not recipe):
        return Twin(row=row, other=other, whole=True, finished=finished)
    if stepped and not (trained and whole) and not recipe and None not in counts[row] and counts[row] == counts[other]:
        return Twin(row=row, other=other, whole=False, finished=finished, parts=trained)
    return None


def _differ_in_recipe(ours: Runs, theirs: Runs) -> bool:
    flat, other = (flatten(next(iter(runs.values())).run) for runs in (ours, theirs))
    return any(name.startswith("recipe") and flat.get(name) != other.get(name) for name in (*flat, *other))


def _agree(ours: Record, theirs: Record) -> bool:
    """Say whether two runs that have both finished an epoch are one, epoch by epoch and in the end."""
    if ours.result and theirs.result and reported(ours.run, ours.result) != reported(theirs.run, theirs.result):
        return False
    if bool(ours.result) and bool(theirs.result) and ours.epochs != theirs.epochs:
        return False
    return all(
        a.get("train_loss") is not None
        and a.get("train_loss") == b.get("train_loss")
        and so_far(ours.run, a) == so_far(theirs.run, b)
        for a, b in zip(ours.metrics, theirs.metrics, strict=False)
    )
