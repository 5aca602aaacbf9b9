"""Rows that trained as another row did: what was changed changed nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.cells import Cells, Counts
from lightning_bam.config import Run, flatten
from lightning_bam.run_folder.result import reported, so_far
from studies.definition.panels import Panel
from studies.records.records import Record


@dataclass(frozen=True, kw_only=True)
class IdenticalRow:
    """A row, and the baseline or earlier row of its panel that it is like, with `finished` runs only or not.

    `whole`: all that both have trained agrees; else counts and first loss do, and `parts` that the first epoch differs.
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


def identical_rows(rows: Cells, panels: Sequence[Panel], counts: Mapping[str, Counts]) -> dict[str, IdenticalRow]:
    """Return each row that trained as the baseline or an earlier row of its panel did; `rows` are all begun runs.

    A row *changed nothing* if at every seed, each epoch that both have finished has the same training loss and test
    figure to the last digit, the finished runs the same final figure, and no first step differs. Counts need not agree:
    a module that nobody calls has parameters too. Rows that differ in the recipe may part late, so their runs must be
    complete.

    Where the counts agree and, at every seed that both have, the first-step loss alone, the row is asked about and no
    more: a gate that starts at zero rightly does nothing in the first step. Another recipe does so by its nature.
    """
    identical: dict[str, IdenticalRow] = {}
    for panel in panels:
        order = [row for row in sorted(panel.rows, key=lambda row: row != panel.baseline) if rows[row]]
        recipes = {row: _recipe(next(iter(rows[row].values())).run) for row in order}
        losses = {row: set().union(*map(_losses, rows[row].values())) for row in order}
        for place, row in enumerate(order):
            for other in order[:place]:
                if losses[row].isdisjoint(losses[other]):
                    continue
                recipe = recipes[row] != recipes[other]
                ask = row not in identical and not recipe and None not in counts[row] and counts[row] == counts[other]
                like = _like(row, other, rows, recipe=recipe, ask=ask)
                if like is not None:
                    identical[row] = like
                    if like.whole:
                        break
    return identical


def _like(row: str, other: str, rows: Cells, *, recipe: bool, ask: bool) -> IdenticalRow | None:
    """Compare two rows: do they differ in the recipe, and are they asked about where only the first step agrees?"""
    whole = finished = True
    trained = stepped = False
    for ours, theirs in [(run, rows[other][seed]) for seed, run in rows[row].items() if seed in rows[other]]:
        a, b = ours.first_step_loss, theirs.first_step_loss
        comparable = a is not None and b is not None
        if comparable and a != b:
            return None
        if ours.epochs and theirs.epochs:
            trained = True
            whole = whole and _agree(ours, theirs)
            if not whole and not (comparable and ask):
                return None
        stepped = stepped or comparable
        finished = finished and bool(ours.result) and bool(theirs.result)
    if trained and whole:
        return IdenticalRow(row=row, other=other, whole=True, finished=finished) if finished or not recipe else None
    if stepped and ask:
        return IdenticalRow(row=row, other=other, whole=False, finished=finished, parts=trained)
    return None


def _losses(record: Record) -> set[tuple[int, float | None]]:
    return {(record.run.seed, loss) for loss in (record.first_step_loss, record.first_epoch_loss) if loss is not None}


def _recipe(run: Run) -> dict[str, object]:
    return {name: value for name, value in flatten(run).items() if name.startswith("recipe") and value is not None}


def _agree(ours: Record, theirs: Record) -> bool:
    """Say whether two runs that have both finished an epoch are one, epoch by epoch and in the end."""
    if ours.first_epoch_loss != theirs.first_epoch_loss:
        return False
    if ours.result and theirs.result:
        figures = reported(ours.run, ours.result), reported(theirs.run, theirs.result)
        if figures[0] != figures[1] or ours.epochs != theirs.epochs:
            return False
    return all(
        a.get("train_loss") is not None
        and a.get("train_loss") == b.get("train_loss")
        and so_far(ours.run, a) == so_far(theirs.run, b)
        for a, b in zip(ours.metrics, theirs.metrics, strict=False)
    )
