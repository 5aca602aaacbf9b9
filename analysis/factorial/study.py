"""The factorial part of a study: the rows that cross its factors, taken apart."""

from collections.abc import Sequence, Set
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
    """Take the rows of a study apart that have every knob under question; `left_out` names others with a finished run.

    Factors are the knobs under question with several levels. None where there is nothing to take apart: fewer than two
    factors, factors that are never crossed, no finished run, or several panels, whose mean would be of neither.
    """
    if len(study.panels) > 1:
        return None
    flats = {row: flatten(run) for row, run in study.rows.items()}
    rows = {row: flat for row, flat in flats.items() if set(study.scientific) <= set(flat)}
    levels = {name: tuple({str(flat[name]): None for flat in rows.values()}) for name in study.scientific}
    factors = {name: of for name, of in levels.items() if len(of) > 1}
    cell = {row: tuple(str(flat[name]) for name in factors) for row, flat in rows.items()}
    if not _crossed(set(cell.values())):
        return None
    cells: dict[tuple[str, ...], dict[int, float]] = {}
    outside: dict[str, tuple[str, ...]] = {}
    for record in records:
        figure = record.result.figure(study.metric) if record.result else None
        if figure is None:
            continue
        if record.row in cell:
            cells.setdefault(cell[record.row], {})[record.run.seed] = figure
        else:
            outside[record.row] = tuple(name for name in study.scientific if name not in flats[record.row])
    if not cells:
        return None
    shares = importance(
        [dict(zip(factors, at, strict=True)) for at, of in cells.items() for _ in of],
        [figure for of in cells.values() for figure in of.values()],
        higher_is_better=study.scale.higher_is_better,
    )
    identical = identical_rows(begun(records, study), study.panels, dict.fromkeys(study.rows, (None, None))).values()
    alike = [one.note for one in identical if one.whole and {one.row, one.other} <= set(cell)]
    return replace(factorial(cells, factors, shares), left_out=outside, alike=alike)


def _crossed(cells: Set[tuple[str, ...]]) -> bool:
    """Say whether, for some pair of factors, two levels of one meet the same two levels of the other."""
    factors = range(len(next(iter(cells), ())))
    for first, second in combinations(factors, 2):
        partners: dict[str, set[str]] = {}
        for cell in cells:
            partners.setdefault(cell[first], set()).add(cell[second])
        if any(len(one & other) > 1 for one, other in combinations(partners.values(), 2)):
            return True
    return False
