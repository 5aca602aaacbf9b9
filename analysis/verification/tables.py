"""A table that was written down, compared number by number with the one that the run folders give."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NotRequired

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from analysis.formats.data import as_json
from analysis.table.build import Table
from analysis.verification import Finding, Level
from lightning_bam.json_text import fault, parse, short, shortened
from lightning_bam.run_folder.files import FolderError

EQUAL: Final = 1e-9
"""Relative difference up to which two numbers are the same: other versions of scipy round otherwise."""
BY_NAME: Final = ("errors.", "states.")
"""Columns whose own entries, a seed each or a state each, belong to the data and not to the layout."""
BESIDE: Final = ("unlisted", "costs")
"""What the record has beside the figures, which grows as failed runs are tried again and a search goes on."""
HINT: Final = "write it with `bam table --format json --output FILE`"
REWORDED: Final = ("verdict", "delta_interval", "reproduced", "compatible")
OLDER: Final = "each row's own interval was compared, verdicts and 'reproduced' were not; write the table again"
ABSENT: Final = object()


class _Row(TypedDict):
    label: str
    notes: NotRequired[list[str]]


class _Table(TypedDict):
    study: str
    rows: list[_Row]
    notes: NotRequired[list[str] | None]


_TABLE: Final = TypeAdapter(_Table)


def read_tables(path: Path) -> list[dict[str, Any]]:
    """Return the tables in a file that `bam table --format json` wrote; FolderError for anything else."""
    try:
        data = parse(path.read_bytes())
    except OSError as error:
        raise FolderError(f"--table {path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise FolderError(f"--table {path}: torn or not JSON ({error}); {HINT}") from None
    tables: list[dict[str, Any]] = data if isinstance(data, list) else [data]
    if not tables:
        raise FolderError(f"--table {path}: holds no table; {HINT}")
    for table in tables:
        try:
            _TABLE.validate_python(table)
        except ValidationError as error:
            raise FolderError(f"--table {path}: holds no table: {fault(error)}; {HINT}") from None
        double = [label for label, count in Counter(row["label"] for row in table["rows"]).items() if count > 1]
        if double:
            raise FolderError(f"--table {path}: has row {short(double[0])} more than once; {HINT}")
    return tables


def compare(theirs: Mapping[str, Any], table: Table, path: Path) -> list[Finding]:
    """Return a problem for each number or word of a table, written to `path`, that the runs do not give.

    A column that the file has in no row is of a newer layout, and a note; so are footnotes, and what the record has
    beside the table, which may grow.
    """
    ours = json.loads(as_json(table))
    written, actual = (
        {row["label"]: {name: item for name, item in row.items() if name != "notes"} for row in part["rows"]}
        for part in (theirs, ours)
    )
    old_head, head = (
        {name: item for name, item in part.items() if name not in ("rows", "notes", "study")} for part in (theirs, ours)
    )
    columns = {column for row in written.values() for column in row}
    before = "p_holm" in columns and "p_adjusted" not in columns
    if before:
        written, actual = _of_older(written), {label: _as_older(row) for label, row in actual.items()}
    findings: list[Finding] = []
    newer = set()

    def add(level: Level, text: str, row: str | None = None) -> None:
        findings.append(Finding(level=level, text=f"{path}: {text}", study=table.study, row=row))

    parts: list[tuple[str | None, Any, Any]] = [(None, {"unlisted": ours["unlisted"]} | old_head, head)]
    parts += [(label, written[label], row) for label, row in actual.items() if label in written]
    for label, old, now in parts:
        for column, was, value in differences(old, now):
            if was is ABSENT and not column.startswith(BY_NAME) and (label is None or column not in columns):
                newer.add(column)
                continue
            beside = label is None and column.partition(".")[0] in BESIDE
            text = f"the file says {_shown(was)}, the {'record gives' if beside else 'runs give'} {_shown(value)}"
            add("note" if beside else "problem", f"column {column}: {text}", label)
    for label in sorted(written.keys() ^ actual.keys()):
        add("problem", f"the {'study' if label in written else 'file'} has not this row", label)
    if before:
        add("note", f"written before the intervals of a table held together: {OLDER}")
    if newer:
        add("note", f"written by a version without {', '.join(sorted(newer))}: not compared")
    notes = dict.fromkeys(note for part in (theirs, *theirs["rows"]) for note in part.get("notes") or ())
    says = [f"the file says {note!r}" for note in notes if note not in ours["notes"]]
    says += [f"the runs give {note!r}" for note in ours["notes"] if note not in notes]
    if says:
        add("note", f"other footnotes: {'; '.join(says)}")
    return findings


def _of_older(rows: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Leave out what an older version said in other words."""
    return {label: {name: item for name, item in row.items() if name not in REWORDED} for label, row in rows.items()}


def _as_older(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as an older version wrote it: with the 95 % t interval of the row by itself, without its words."""
    again = {name: item for name, item in row.items() if name not in REWORDED}
    if row["delta"] and row["evidence"] and not row["interim"]:
        again["delta"] = row["delta"] | {end: row["evidence"][f"t_{end}"] for end in ("low", "high")}
    return again


def differences(old: Any, now: Any, column: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield column, old and new value, wherever two values from JSON differ; `ABSENT` where one is not."""
    if isinstance(old, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*old, *now)):
            inner = f"{column}.{name}" if column else str(name)
            yield from differences(old.get(name, ABSENT), now.get(name, ABSENT), inner)
    elif isinstance(old, list) and isinstance(now, list) and len(old) == len(now):
        for place, (one, other) in enumerate(zip(old, now, strict=True)):
            yield from differences(one, other, f"{column}.{place}")
    elif not _equal(old, now):
        yield column, old, now


def _equal(old: Any, now: Any) -> bool:
    if isinstance(old, bool) or not isinstance(old, int | float):
        return type(old) is type(now) and bool(old == now)
    if isinstance(now, bool) or not isinstance(now, int | float):
        return False
    try:
        return math.isclose(old, now, rel_tol=EQUAL, abs_tol=1e-12)
    except OverflowError:  # a whole number beyond what a float can be
        return False


def _shown(item: Any) -> str:
    return "nothing" if item is ABSENT else shortened(json.dumps(item, ensure_ascii=False))
