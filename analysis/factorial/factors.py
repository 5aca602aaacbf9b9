"""Each factor of a study by itself: which rows differ in it alone, and what these say of its levels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from analysis.statistics.contrasts import Contrast, Trend, contrasts, trend
from analysis.table.verdict import LEVEL, direction
from lightning_bam.config import flatten
from studies.definition.study import Selection, Study
from studies.records.records import Record

LEAST_SEEDS: Final = 2
OfRow = TypeVar("OfRow")


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A knob under question: its levels compared where several settings have them, its trend where they are numbers."""

    name: str
    contrasts: Sequence[Contrast]
    trend: Trend | None


def factors_of(
    study: Study, records: Sequence[Record], dropped: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Factor]:
    """Take each knob under question by itself, in the rows that differ in it alone.

    Two levels that stand in a single pair of rows are that pair, which a table compares. What has no finished run is
    left out, and p is adjusted for it as for rows that are not selected, and for those `dropped` after they were
    trained (row -> flat settings, `Unlisted.knobs`). Empty for several panels, whose mean would be of neither.
    """
    if len(study.panels) > 1:
        return []
    whole = Selection.of(study).study
    (rows,) = (panel.rows for panel in whole.panels if set(panel.rows) & set(study.rows))
    listed = {row: flatten(whole.rows[row]) for row in rows}
    flats = {**(dropped or {}), **listed}  # where two rows have the same levels, the study's own counts
    figures: dict[str, dict[int, float]] = {row: {} for row in flats}
    for record in records:
        if record.state == "failed":
            figures[record.row][record.run.seed] = math.nan
        elif record.result and (figure := record.result.figure(study.metric)) is not None:
            figures[record.row][record.run.seed] = figure
    to_come = {row: row in study.rows and bool(set(study.seed_list) - of.keys()) for row, of in figures.items()}
    found = []
    for name in whole.scientific:
        values = {str(flat[name]): flat[name] for flat in (listed | flats).values() if name in flat}
        lines = _lines(name, whole.scientific, flats, figures)
        waiting = _lines(name, whole.scientific, flats, to_come)
        compared = [
            replace(one, so_far=any(line[one.level] or line[one.other] for line in waiting if _has(line, one)))
            for one in (contrasts(lines, list(values)) if len(lines) > 1 else [])
            if one.difference
        ]
        over = trend(lines, _numbers(values))
        if over:
            over = replace(over, so_far=any(any(line.values()) for line in waiting))
        if compared or (over and over.slope):
            found.append(Factor(name=name, contrasts=compared, trend=over))
    return found


def answer(found: Contrast | Trend, study: Study) -> str:
    """Return what a contrast or a trend says, ` so far` where runs are to come; nothing where a rule gave the seeds.

    The stopping rule has looked at the rows before, and p knows nothing of that.
    """
    difference = found.slope if isinstance(found, Trend) else found.difference
    if study.stopping is not None or difference is None:
        return ""
    said = "no clear difference"
    if difference.n < LEAST_SEEDS:
        said = "too few seeds"
    elif found.p_claimed < LEVEL:
        said = direction(difference, study.scale.higher_is_better)
    return f"{said}{' so far' if found.so_far else ''}"


def _has(line: Mapping[str, bool], contrast: Contrast) -> bool:
    return {contrast.level, contrast.other} <= line.keys()


def _lines(
    name: str, scientific: Sequence[str], flats: Mapping[str, Mapping[str, Any]], of_rows: Mapping[str, OfRow]
) -> list[Mapping[str, OfRow]]:
    """Return level -> what is `of_rows`, of rows with the knob that are alike in every other knob under question."""
    groups: dict[tuple[tuple[str, Any], ...], dict[str, OfRow]] = {}
    for row, flat in flats.items():
        if name in flat:
            alike = tuple((other, flat[other]) for other in scientific if other in flat and other != name)
            groups.setdefault(alike, {})[str(flat[name])] = of_rows[row]
    return [group for group in groups.values() if len(group) > 1]


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return levels in rising order if all of them are numbers, else none."""
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values.values()):
        return {}
    return dict(sorted(((name, float(value)) for name, value in values.items()), key=lambda pair: pair[1]))
