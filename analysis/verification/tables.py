"""A table that was written down, compared number by number with the one that the run folders give."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from analysis.formats.data import as_json
from analysis.table.build import Table
from analysis.verification.finding import Finding
from lightning_bam.json_text import parse, short, shortened
from lightning_bam.run_folder.files import FolderError

EQUAL: Final = 1e-9
"""Relative difference up to which two numbers are the same: other versions of scipy round otherwise."""
BY_NAME: Final = ("errors", "states")
"""Columns whose own entries, a seed each or a state each, belong to the data and not to the layout."""
HINT: Final = "write it with `bam table --format json --output FILE`"


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = _Absent()


def read_tables(path: Path) -> list[dict[str, Any]]:
    """Return the tables in a file that `bam table --format json` wrote.

    Raises:
        FolderError: it cannot be read, or is something else.

    """
    try:
        text = path.read_bytes()
        data = parse(text)
        json.loads(text, object_pairs_hook=_once)
    except OSError as error:
        raise FolderError(f"--table {path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise FolderError(f"--table {path}: torn or not JSON ({error}); {HINT}") from None
    tables = data if isinstance(data, list) else [data]
    for table in tables:
        rows = table.get("rows") if isinstance(table, dict) else None
        if not isinstance(rows, list) or not isinstance(table.get("study"), str):
            raise FolderError(f"--table {path}: holds {short(str(table))}, not a table; {HINT}")
        notes = table.get("notes")
        if notes is not None and not (isinstance(notes, list) and all(isinstance(note, str) for note in notes)):
            raise FolderError(f"--table {path}: its notes are {short(notes)}, not lines of text; {HINT}")
        if not all(isinstance(row, dict) and isinstance(row.get("label"), str) for row in rows):
            raise FolderError(f"--table {path}: has a row without a label; {HINT}")
        twice = [label for label, count in Counter(row["label"] for row in rows).items() if count > 1]
        if twice:
            raise FolderError(f"--table {path}: has row {short(twice[0])} more than once; {HINT}")
    if not tables:
        raise FolderError(f"--table {path}: holds no table; {HINT}")
    return tables


def compare(theirs: Mapping[str, Any], table: Table, path: Path) -> list[Finding]:
    """Return a problem for each number or word of a written table that the runs do not give.

    What only the newer of two layouts has is a note, and so are footnotes, which say in words what the numbers say
    and what the record has beside the table, which may grow.

    Args:
        theirs: the table as it was written.
        table: the one that the run folders give.
        path: the file of the written one.

    """
    ours = json.loads(as_json(table))
    given, found = _rows(theirs), _rows(ours)
    sides: list[tuple[str | None, dict[str, Any], dict[str, Any]]] = [(None, _head(theirs), _head(ours))]
    sides += [(label, given[label], found[label]) for label in given if label in found]
    findings: list[Finding] = []
    everywhere = set.intersection(*(set(row) for row in found.values())) if found else set()
    given_by_some = {name for row in given.values() for name in row}
    new = set()
    for label, there, here in sides:
        for column, old, now in differences(there, here):
            left_out = label is not None and column in everywhere & given_by_some  # other rows of the file have it
            if old is ABSENT and not left_out and not column.startswith(tuple(f"{name}." for name in BY_NAME)):
                new.add(column)
                continue
            text = f"{path}: column {column}: the file says {_shown(old)}, the runs give {_shown(now)}"
            findings.append(Finding(level="problem", text=text, study=table.study, row=label))
    for label in sorted(given.keys() ^ found.keys()):
        where = "the file has this row, the study has not" if label in given else "the study has this row, the file not"
        findings.append(Finding(level="problem", text=f"{path}: {where}", study=table.study, row=label))
    if new:
        text = f"{path}: written by a version without {', '.join(sorted(new))}: not compared"
        findings.append(Finding(level="note", text=text, study=table.study))
    for column, old, now in differences(theirs.get("unlisted", ours["unlisted"]), ours["unlisted"], "unlisted"):
        text = f"{path}: column {column}: the file says {_shown(old)}, the record gives {_shown(now)}"
        findings.append(Finding(level="note", text=text, study=table.study))
    findings += _notes(theirs.get("notes"), ours["notes"], table.study, path)
    for row in theirs["rows"]:
        if row["label"] in found and "notes" in row:
            known = next(one["notes"] for one in ours["rows"] if one["label"] == row["label"])
            said = row["notes"] if isinstance(row["notes"], list) else [row["notes"]]
            kept = [note for note in said if note in known]  # what is lacking here is lacking among the table's
            findings += _notes(said, kept, table.study, path, row["label"])
    return findings


def differences(old: Any, now: Any, column: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the column, what it was and what it is, wherever two values from JSON differ; `ABSENT` where one is not."""
    if isinstance(old, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*old, *now)):
            yield from differences(
                old.get(name, ABSENT), now.get(name, ABSENT), f"{column}.{name}" if column else str(name)
            )
    elif isinstance(old, list) and isinstance(now, list) and len(old) == len(now):
        for place, (one, other) in enumerate(zip(old, now, strict=True)):
            yield from differences(one, other, f"{column}.{place}")
    elif not _equal(old, now):
        yield column, old, now


def _equal(old: Any, now: Any) -> bool:
    if isinstance(old, bool) or isinstance(now, bool):
        return old is now
    if isinstance(old, int | float) and isinstance(now, int | float):
        try:
            return math.isclose(old, now, rel_tol=EQUAL, abs_tol=1e-12)
        except OverflowError:  # a whole number beyond what a float can be
            return False
    return type(old) is type(now) and bool(old == now)


def _once(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object that has a name twice, of which a reader sees the first and a program the last."""
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"{short(twice[0])} stands twice in one object")


def _rows(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["label"]: {name: item for name, item in row.items() if name != "notes"} for row in table["rows"]}


def _head(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in table.items() if name not in ("rows", "notes", "study", "unlisted")}


def _shown(item: Any) -> str:
    return repr(item) if item is ABSENT else shortened(json.dumps(item, ensure_ascii=False))


def _notes(old: Any, now: list[str], study: str, path: Path, row: str | None = None) -> list[Finding]:
    if old == now:
        return []
    told = old if isinstance(old, list) else [old]
    gone = [note for note in told if note is not None and note not in now]
    new = [note for note in now if note not in told]
    said = [f"the file says {note!r}" for note in gone] + [f"the runs give {note!r}" for note in new]
    text = f"{path}: other footnotes: {'; '.join(said) or 'in another order'}"
    return [Finding(level="note", text=text, study=study, row=row)]
