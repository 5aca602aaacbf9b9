"""The figures of the paper's tables, as printed: `published.csv`, read once.

Its first ten columns are a transcription of the tables in arXiv 1807.06514 and stay as they came: `table`, `topic`,
`dataset`, `backbone`, `variant` (`none` is the plain network), `params_m` (millions), `gmacs` (1e9
multiply-accumulates, printed as GFLOPs), `metric`, `value` (percent) and `note`. `counted_note` is added here: what
counting the network says about the printed params and MACs.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from studies.errors import StudyError


class Figure(NamedTuple):
    """One line of `published.csv`; every column is text, so that the printed digits are kept."""

    table: str
    topic: str
    dataset: str
    backbone: str
    variant: str
    params_m: str
    gmacs: str
    metric: str
    value: str
    note: str
    counted_note: str


@dataclass(frozen=True, kw_only=True)
class Published:
    """What the paper prints for one row of a study.

    Attributes:
        values: metric (a name of `run_folder.result.METRICS`) -> the printed figure in percent, as `20.00`.
        params: trainable parameters in millions as printed, as `23.40`; empty where not printed.
        macs: multiply-accumulates of one image in 1e9 as printed; empty where not printed.
        note: what stands beside the printed counts in the transcription.
        counted_note: what counting the network says about them; empty where there is nothing to say.

    """

    values: Mapping[str, str] = field(default_factory=dict)
    params: str = ""
    macs: str = ""
    note: str = ""
    counted_note: str = ""


@cache
def figures() -> tuple[Figure, ...]:
    """Return every line of `published.csv`, in its order."""
    text = files("studies.paper").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(Figure(**line) for line in csv.DictReader(text.splitlines()))


def published(table: str, backbone: str, *variants: str) -> Published:
    """Return what `table` prints for `backbone` with each of `variants`, which are names of one and the same network.

    Raises StudyError for no such line, and for lines that contradict each other.
    """
    lines: list[Figure] = []
    for variant in variants:
        cell = [line for line in figures() if (line.table, line.backbone, line.variant) == (table, backbone, variant)]
        if not cell:
            raise StudyError(f"table {table!r} of the paper prints no {backbone!r} with {variant!r}")
        lines += cell

    def one(name: str, texts: Iterable[str]) -> str:
        printed = list(dict.fromkeys(text for text in texts if text))
        if len(printed) > 1:
            where = f"table {table}, {backbone} {'/'.join(variants)}"
            raise StudyError(f"{where}: {name} is printed as {' and as '.join(printed)}")
        return printed[0] if printed else ""

    metrics = dict.fromkeys(line.metric for line in lines)
    return Published(
        values={metric: one(metric, (line.value for line in lines if line.metric == metric)) for metric in metrics},
        params=one("params_m", (line.params_m for line in lines)),
        macs=one("gmacs", (line.gmacs for line in lines)),
        note=sentences(line.note for line in lines),
        counted_note=sentences(line.counted_note for line in lines),
    )


def errors(table: str, backbone: str, rows: Mapping[str, str]) -> dict[str, float]:
    """Return row -> the printed top-1 error in percent, for rows that stand for these variants of one backbone."""
    return {row: float(published(table, backbone, variant).values["error_top1"]) for row, variant in rows.items()}


def sentences(notes: Iterable[str]) -> str:
    """Write each note once as a sentence: it begins with a capital and ends in a full stop."""
    return " ".join(dict.fromkeys(note[:1].upper() + note[1:].rstrip(".") + "." for note in notes if note))
