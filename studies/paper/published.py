"""The figures of the paper's tables, as printed: `published.csv`, read once.

Its first ten columns are a transcription of the tables in arXiv 1807.06514 and stay as they came: `table`, `topic`,
`dataset`, `backbone`, `variant` (`none` is the plain network), `params_m` (millions), `gmacs` (1e9
multiply-accumulates, printed as GFLOPs), `metric`, `value` (percent) and `note`. `counted_note` is added here: what
counting the network says about the printed params and MACs.
"""

from __future__ import annotations

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

    Raises:
        StudyError: no such line, or lines that contradict each other.

    """
    lines = [line for variant in variants for line in _lines(table, backbone, variant)]
    values: dict[str, str] = {}
    for line in lines:
        if (first := values.setdefault(line.metric, line.value)) != line.value:
            where = f"table {table}, {backbone} {'/'.join(variants)}"
            raise StudyError(f"{where}: {line.metric} is printed as {first} and as {line.value}")
    return Published(
        values=values,
        params=_one(table, backbone, "params_m", lines),
        macs=_one(table, backbone, "gmacs", lines),
        note=_notes(line.note for line in lines),
        counted_note=_notes(line.counted_note for line in lines),
    )


def errors(table: str, backbone: str, rows: Mapping[str, str]) -> dict[str, float]:
    """Return row -> the printed top-1 error in percent, for rows that stand for these variants of one backbone."""
    return {row: float(published(table, backbone, variant).values["error_top1"]) for row, variant in rows.items()}


def sentence(text: str) -> str:
    """Write a note as a sentence: it begins with a capital and ends in a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _lines(table: str, backbone: str, variant: str) -> list[Figure]:
    found = [line for line in figures() if (line.table, line.backbone, line.variant) == (table, backbone, variant)]
    if not found:
        raise StudyError(f"table {table!r} of the paper prints no {backbone!r} with {variant!r}")
    return found


def _notes(texts: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(sentence(text) for text in texts if text))


def _one(table: str, backbone: str, column: str, lines: Iterable[Figure]) -> str:
    known = {str(getattr(line, column)) for line in lines} - {""}
    if len(known) > 1:
        raise StudyError(f"table {table}, {backbone}: {column} is printed as {' and as '.join(sorted(known))}")
    return next(iter(known), "")
