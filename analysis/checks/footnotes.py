"""Marks in the cells of a table: which runs were trained with something else than the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from analysis.environment import CODE, UNKNOWN, made_with
from studies.records.environment import SHARED
from studies.records.records import Record

LETTERS: Final = "abcdefghijklmnoprstuvwxyz"
"""Marks in order; no q, which Unicode has no raised one of."""


class Difference(NamedTuple):
    """An entry of the manifest, its value here, and what most runs have."""

    entry: str
    here: str
    usual: str


@dataclass(frozen=True, kw_only=True)
class Footnote:
    """What sets some runs apart from the others of the table, under a letter that marks their rows.

    Attributes:
        mark: the letter, as `a`.
        differences: in what the runs differ from most.
        runs: row -> the seeds of its runs that do.
        text: all that in words.

    """

    mark: str
    differences: tuple[Difference, ...]
    runs: Mapping[str, tuple[int, ...]]
    text: str

    @property
    def line(self) -> str:
        """The footnote with its mark, as it stands among a table's notes."""
        return f"[{self.mark}] {self.text}"

    @property
    def mixes_code(self) -> bool:
        """Whether these runs were made by other code or from other images than most."""
        return any(difference.entry in CODE for difference in self.differences)

    def about(self, row: str) -> str:
        """Return what it says of one row, for programs: `commit=91bc002 torch=2.12.0 (seeds 0 1)`."""
        told = " ".join(f"{difference.entry}={difference.here}" for difference in self.differences)
        return f"{told} (seed{'s' * (len(self.runs[row]) > 1)} {' '.join(map(str, self.runs[row]))})"


def footnotes(cells: Mapping[str, Mapping[int, Record]], baselines: tuple[str, ...]) -> tuple[Footnote, ...]:
    """Tell each set of runs that differ from most of the table's, in what and where, by a letter of its own.

    What most runs have is the measure, and where two values are as frequent the baseline's. So whenever a row was
    trained otherwise than its baseline, one of the two is marked; a row of mixed runs always is. Images are
    compared among runs of the same dataset, as panels may have several. Differences that the same runs have, as
    those of another machine, share a letter.

    Args:
        cells: complete runs: row -> seed -> record.
        baselines: the baseline of each panel.

    """
    kinds = {made_with(told) for told in {record.circumstances for runs in cells.values() for record in runs.values()}}
    if len(kinds) < 2:
        return ()
    order = sorted(cells, key=lambda row: row not in baselines)  # ties are the baseline's
    everyone = {(row, seed): record for row in order for seed, record in cells[row].items()}
    made = {at: made_with(record.circumstances) for at, record in everyone.items()}
    apart: dict[Difference, list[tuple[str, int]]] = {}
    for number, entry in enumerate(SHARED):
        if len({kind[number] for kind in kinds}) > 1:
            values = {at: mine[number] for at, mine in made.items()}
            for at, difference in _deviating(entry, values, everyone):
                apart.setdefault(difference, []).append(at)
    together: dict[frozenset[tuple[str, int]], list[Difference]] = {}
    for difference, where in apart.items():
        together.setdefault(frozenset(where), []).append(difference)
    place = {row: number for number, row in enumerate(cells)}
    found = [(sorted(where, key=lambda at: (place[at[0]], at[1])), told) for where, told in together.items()]
    found.sort(key=lambda one: (place[one[0][0][0]], one[0][0][1]))
    return tuple(_footnote(mark(number), told, where, cells) for number, (where, told) in enumerate(found))


def marks(found: tuple[Footnote, ...], row: str) -> tuple[str, ...]:
    """Return the letters that mark a row."""
    return tuple(footnote.mark for footnote in found if row in footnote.runs)


def mark(number: int) -> str:
    """Return the letters of the footnote of this number, from 0: `a` to `z`, `aa`, `ab`, ..."""
    rest, last = divmod(number, len(LETTERS))
    return (mark(rest - 1) if rest else "") + LETTERS[last]


def _deviating(
    entry: str, values: Mapping[tuple[str, int], str], everyone: Mapping[tuple[str, int], Record]
) -> Iterator[tuple[tuple[str, int], Difference]]:
    counted: dict[Hashable, Counter[str]] = {}
    scope = {at: record.run.dataset if entry == "data" else None for at, record in everyone.items()}
    for at, value in values.items():
        counted.setdefault(scope[at], Counter())[value] += 1
    usual = {among: count.most_common(1)[0][0] for among, count in counted.items()}
    for at, value in values.items():
        if value != usual[scope[at]]:
            yield at, Difference(entry, value, usual[scope[at]])


def _footnote(
    letter: str, told: list[Difference], where: list[tuple[str, int]], cells: Mapping[str, Mapping[int, Record]]
) -> Footnote:
    runs: dict[str, tuple[int, ...]] = {}
    for row, seed in where:
        runs[row] = (*runs.get(row, ()), seed)
    what = ", ".join(
        f"{SHARED[entry]} {here} ({'most' if usual == UNKNOWN else 'not'} {usual})" for entry, here, usual in told
    )
    text = f"{what}: {'; '.join(_places(runs, cells))}."
    return Footnote(mark=letter, differences=tuple(told), runs=runs, text=text)


def _places(runs: Mapping[str, tuple[int, ...]], cells: Mapping[str, Mapping[int, Record]]) -> Iterator[str]:
    """Name the runs: rows with the same seeds, out of as many, together."""
    alike: dict[tuple[tuple[int, ...], int], list[str]] = {}
    for row, seeds in runs.items():
        alike.setdefault((seeds, len(cells[row])), []).append(row)
    begun = sum(bool(mine) for mine in cells.values())
    for (seeds, total), rows in alike.items():
        names = "every row" if len(rows) == begun > 1 else _listed([repr(row) for row in rows])
        each = " each" if 1 < len(rows) < begun else ""
        if len(seeds) == total:
            yield f"the one run{each} of {names}" if total == 1 else f"all {total} runs{each} of {names}"
        else:
            shown = f"seed{'s' * (len(seeds) > 1)} {_listed(list(map(str, seeds)))}"
            yield f"{len(seeds)} of {total} runs{each} of {names} ({shown})"


def _listed(words: list[str]) -> str:
    """Write `a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
