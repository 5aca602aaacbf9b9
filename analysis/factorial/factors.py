"""Each factor of a study by itself: which rows differ in it alone, and what these say of its levels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from analysis.statistics.contrasts import Contrast, Line, Trend, contrasts, trend
from analysis.statistics.paired import PairedDifference
from analysis.table.verdict import LEVEL, direction
from lightning_bam.config import flatten
from studies.definition.study import Selection, Study
from studies.records.records import Record

Answer = Literal["better", "worse", "no clear difference", "too few seeds", ""]

LEAST_SEEDS: Final = 2


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A knob under question: its levels compared where several settings have them, its trend where they are numbers."""

    name: str
    contrasts: Sequence[Contrast]
    trend: Trend | None


def factors_of(study: Study, records: Sequence[Record]) -> list[Factor]:
    """Take each knob under question by itself, in the rows that differ in it alone.

    Two levels that stand in a single pair of rows are that pair, which a table compares. What has no finished run is
    left out, and p is adjusted for it as for rows that are not selected. Empty for several panels, whose mean would be
    of neither.
    """
    if len(study.panels) > 1:
        return []
    whole = Selection.of(study).study
    (rows,) = (panel.rows for panel in whole.panels if set(panel.rows) & set(study.rows))
    flats = {row: flatten(whole.rows[row]) for row in rows}
    figures: dict[str, dict[int, float]] = {row: {} for row in rows}
    for record in records:
        if record.state == "failed":
            figures[record.row][record.run.seed] = math.nan
        elif record.result and (figure := record.result.figure(study.metric)) is not None:
            figures[record.row][record.run.seed] = figure
    found = []
    for name in whole.scientific:
        values = {str(flat[name]): flat[name] for flat in flats.values() if name in flat}
        lines = _lines(name, whole.scientific, flats, figures)
        compared = contrasts(lines, list(values)) if len(lines) > 1 else []
        compared = [contrast for contrast in compared if contrast.difference]
        over = trend(lines, _numbers(values))
        if compared or (over and over.slope):
            found.append(Factor(name=name, contrasts=compared, trend=over))
    return found


def answer(difference: PairedDifference | None, study: Study, p: float | None = None) -> Answer:
    """Return what a difference or slope says, by its own p or an adjusted one; nothing where a rule gave the seeds.

    The stopping rule has looked at the rows before, and p knows nothing of that.
    """
    if study.stopping is not None or difference is None:
        return ""
    if difference.n < LEAST_SEEDS:
        return "too few seeds"
    resolved = (difference.p if p is None else p) < LEVEL
    return direction(difference, study.scale.higher_is_better) if resolved else "no clear difference"


def _lines(
    name: str,
    scientific: Sequence[str],
    flats: Mapping[str, Mapping[str, Any]],
    figures: Mapping[str, Mapping[int, float]],
) -> list[Line]:
    """Return the rows that have the knob, in groups that are alike in every other knob under question."""
    groups: dict[tuple[tuple[str, Any], ...], dict[str, Mapping[int, float]]] = {}
    for row, flat in flats.items():
        if name in flat:
            alike = tuple((other, flat[other]) for other in scientific if other in flat and other != name)
            groups.setdefault(alike, {})[str(flat[name])] = figures[row]
    return [group for group in groups.values() if len(group) > 1]


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return levels in rising order if all of them are numbers, else none."""
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values.values()):
        return {}
    return dict(sorted(((name, float(value)) for name, value in values.items()), key=lambda pair: pair[1]))
