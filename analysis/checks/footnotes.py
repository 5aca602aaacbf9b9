"""Marks in the cells of a table: which runs were trained with something else than the others."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from analysis.cells import Cells
from analysis.environment import CODE, UNKNOWN, made_with, over_attempts
from lightning_bam.config import Run
from lightning_bam.run_folder.manifest import SHARED

LETTERS: Final = "abcdefghijklmnoprstuvwxyz"
"""Marks in order; no q, which Unicode has no raised one of."""
Place = tuple[str, int]
"""A row and a seed."""


class Difference(NamedTuple):
    """An entry of the manifest, its value here, and what most runs have."""

    entry: str
    here: str
    usual: str


@dataclass(frozen=True, kw_only=True)
class Footnote:
    """What sets some runs (row -> seeds) apart from most of the table, under a letter that marks their rows."""

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
        entries = " ".join(f"{difference.entry}={difference.here}" for difference in self.differences)
        return f"{entries} (seed{'s' * (len(self.runs[row]) > 1)} {' '.join(map(str, self.runs[row]))})"


def footnotes(cells: Cells, baselines: tuple[str, ...]) -> tuple[Footnote, ...]:
    """Give each set of complete runs that differ from most of the table's a letter of its own.

    Where two values are as frequent the baseline's is the measure, so that a row or its baseline is marked where they
    were not trained alike. Images are compared among runs of the same dataset, timm's versions among runs that it
    builds.
    """
    rows = sorted(cells, key=lambda row: row not in baselines)  # ties are the baseline's
    records = {(row, seed): record for row in rows for seed, record in cells[row].items()}
    made = {place: made_with(record) for place, record in records.items()}
    apart: dict[Difference, list[Place]] = {}
    for number, entry in enumerate(SHARED):
        values: dict[object, dict[Place, str]] = {}
        for place, record in records.items():
            values.setdefault(_compared_with(record.run, entry), {})[place] = made[place][number]
        for comparable in values.values():
            usual = Counter(comparable.values()).most_common(1)[0][0]
            for place, value in comparable.items():
                if value != usual:
                    apart.setdefault(Difference(entry, value, usual), []).append(place)
    together: dict[frozenset[Place], list[Difference]] = {}
    for difference, places in apart.items():
        together.setdefault(frozenset(places), []).append(difference)
    order = {place: number for number, place in enumerate((row, seed) for row in cells for seed in cells[row])}
    notes = []
    for number, group in enumerate(sorted(together, key=lambda group: min(order[place] for place in group))):
        runs = {row: seeds for row in cells if (seeds := tuple(seed for seed in cells[row] if (row, seed) in group))}
        text = _text(together[group], runs, cells)
        notes.append(Footnote(mark=mark(number), differences=tuple(together[group]), runs=runs, text=text))
    return tuple(notes)


def _compared_with(run: Run, entry: str) -> object:
    """Return what runs have in common that are compared in an entry of the manifest."""
    return {"data": run.dataset, "timm": "timm" in run.packages}.get(entry)


def pretrained(cells: Cells) -> list[str]:
    """Say which runs began with weights from which file."""
    runs: dict[str, dict[str, tuple[int, ...]]] = {}
    for row, seeds in cells.items():
        for seed, record in seeds.items():
            noted = over_attempts(weights for one in record.manifest.effective if (weights := one.weights) is not None)
            if noted:
                of_row = runs.setdefault(noted, {})
                of_row[row] = (*of_row.get(row, ()), seed)
    return [f"Backbone weights from {noted}: {'; '.join(_places(rows, cells))}." for noted, rows in runs.items()]


def marks(notes: tuple[Footnote, ...], row: str) -> tuple[str, ...]:
    """Return the letters that mark a row."""
    return tuple(footnote.mark for footnote in notes if row in footnote.runs)


def mark(number: int) -> str:
    """Return the letters of the footnote of this number, from 0: `a` to `z`, `aa`, `ab`, ..."""
    rest, last = divmod(number, len(LETTERS))
    return (mark(rest - 1) if rest else "") + LETTERS[last]


def _text(differences: list[Difference], runs: Mapping[str, tuple[int, ...]], cells: Cells) -> str:
    what = ", ".join(
        f"{SHARED[entry]} {here} ({'most' if usual == UNKNOWN else 'not'} {usual})"
        for entry, here, usual in differences
    )
    return f"{what}: {'; '.join(_places(runs, cells))}."


def _places(runs: Mapping[str, tuple[int, ...]], cells: Cells) -> Iterator[str]:
    """Name the runs: rows with the same seeds, out of as many, together."""
    alike: dict[tuple[tuple[int, ...], int], list[str]] = {}
    for row, seeds in runs.items():
        alike.setdefault((seeds, len(cells[row])), []).append(row)
    filled = sum(map(bool, cells.values()))
    for (seeds, total), rows in alike.items():
        names = "every row" if len(rows) == filled > 1 else _listed([repr(row) for row in rows])
        each = " each" if 1 < len(rows) < filled else ""
        if len(seeds) == total:
            yield f"the one run{each} of {names}" if total == 1 else f"all {total} runs{each} of {names}"
        else:
            shown = f"seed{'s' * (len(seeds) > 1)} {_listed(list(map(str, seeds)))}"
            yield f"{len(seeds)} of {total} runs{each} of {names} ({shown})"


def _listed(words: list[str]) -> str:
    """Write `a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
