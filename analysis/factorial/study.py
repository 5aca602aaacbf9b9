"""The factorial part of a study: the rows that cross its factors, taken apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from analysis.cells import begun
from analysis.checks.identical_rows import identical_rows
from analysis.statistics.factorial import Factorial, factorial
from lightning_bam.config import flatten
from studies.definition.study import Study
from studies.records.records import Record
from studies.search.importance import importance


def factorial_of(study: Study, records: Sequence[Record]) -> Factorial | None:
    """Take the rows of a study apart that cross its factors.

    They are the rows that have every knob under question: a baseline without attention has none of attention's, and
    stands outside. So does every other row that lacks one; `left_out` names those with a finished run. Factors are the
    knobs under question that have several levels among the rows inside, under their flat names.

    Returns:
        None where there is nothing to take apart: fewer than two factors; factors that are never crossed, since the
        rows change one at a time; no finished run among these rows; or several panels, since a cell then has a figure
        in each panel, of another network or data set, and their mean would be of neither.

    """
    if len(study.panels) > 1:
        return None
    flats = {row: flatten(run) for row, run in study.rows.items()}
    rows = {row: flat for row, flat in flats.items() if set(study.scientific) <= set(flat)}
    levels = {name: tuple({str(flat[name]): None for flat in rows.values()}) for name in study.scientific}
    factors = {name: found for name, found in levels.items() if len(found) > 1}
    cell = {row: tuple(str(flat[name]) for name in factors) for row, flat in rows.items()}
    if not _crossed(cell.values()):
        return None
    cells: dict[tuple[str, ...], dict[int, float]] = {}
    outside: set[str] = set()
    for record in records:
        figure = record.result.figure(study.metric) if record.result else None
        if figure is None:
            continue
        if record.row in cell:
            cells.setdefault(cell[record.row], {})[record.run.seed] = figure
        else:
            outside.add(record.row)
    if not cells:
        return None
    lacked = {row: tuple(name for name in study.scientific if name not in flats[row]) for row in flats}
    left_out = {row: names for row, names in lacked.items() if row in outside}
    found = factorial(cells, factors, _importance(cells, factors, study))
    return replace(found, left_out=left_out, alike=_alike(study, records, cell))


def _alike(study: Study, records: Sequence[Record], inside: Collection[str]) -> list[str]:
    """Name the rows whose figures are not their own: whoever counts them takes one run for two."""
    unknown = dict.fromkeys(study.rows, (None, None))
    found = identical_rows(begun(records, study), study.panels, unknown).values()
    return [
        identical.note for identical in found if identical.whole and {identical.row, identical.other} <= set(inside)
    ]


def _crossed(cells: Iterable[tuple[str, ...]]) -> bool:
    """Say whether, for some pair of factors, two levels of one meet the same two levels of the other."""
    known = list(cells)
    for first, second in combinations(range(len(known[0]) if known else 0), 2):
        met: dict[str, set[str]] = {}
        for cell in known:
            met.setdefault(cell[first], set()).add(cell[second])
        if any(len(one & other) > 1 for one, other in combinations(met.values(), 2)):
            return True
    return False


def _importance(
    cells: Mapping[tuple[str, ...], Mapping[int, float]], factors: Iterable[str], study: Study
) -> dict[str, dict[str, float]]:
    runs = [(dict(zip(factors, cell, strict=True)), figure) for cell, of in cells.items() for figure in of.values()]
    return importance(
        [levels for levels, _ in runs],
        [figure for _, figure in runs],
        higher_is_better=study.scale.higher_is_better,
    )
