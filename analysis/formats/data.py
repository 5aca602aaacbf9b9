"""The formats for programs: full precision, nothing rounded."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any, Final

from analysis.checks.footnotes import Footnote
from analysis.formats.frame import frame
from analysis.formats.json_text import json_text
from analysis.table.build import Table
from analysis.table.model import Row
from studies.terminal.text import visible

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a formula begins with."""
NUMBER: Final = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?")
OF_THE_PAPER = ("baseline", "printed_params", "printed_macs", "others", "note")
"""What a row has where the study has panels, or the paper prints the size of networks."""


def as_csv(*tables: Table) -> str:
    """Return `frame` as comma-separated values; empty where there is no figure."""
    return str(frame(tables).map(csv_cell).to_csv(index=False, lineterminator="\n"))


def csv_cell(item: Any) -> Any:
    """Return what stands in a cell: a text that a spreadsheet would run as a formula has an apostrophe before it."""
    if not isinstance(item, str):
        return item
    return visible(f"'{item}" if item.startswith(FORMULA) and not NUMBER.fullmatch(item) else item)


def as_json(table: Table) -> str:
    """Return everything the table knows, per-seed errors included; null where there is no figure."""
    data = {
        "study": table.study,
        "question": table.question,
        "metric": table.metric.name,
        "baseline": table.baselines[0] if len(table.baselines) == 1 else table.baselines,
        "rows": [_row(row, table.prints_counts or bool(table.within)) for row in table.rows],
        "notes": table.notes,
        "footnotes": [_footnote(footnote) for footnote in table.footnotes],
        "device_hours": table.device_hours,
        "comparisons": table.comparisons,
        "margin": table.margin,
        "stopping": table.stopping.to_dict() if table.stopping else None,
        "fixed": table.fixed,
        "complete": table.complete,
        "unlisted": {name: told for name, told in asdict(table.unlisted).items() if name != "rule"},
    }
    return visible(json_text(data, ascii_only=False)) + "\n"


def _row(row: Row, whole: bool) -> dict[str, Any]:
    second = asdict(row.evidence) if row.evidence else None
    every = asdict(row) | {"states": dict(row.states), "evidence": second, "delta_interval": row.interval}
    return {name: item for name, item in every.items() if whole or name not in OF_THE_PAPER}


def _footnote(footnote: Footnote) -> dict[str, Any]:
    return asdict(footnote) | {"differences": [difference._asdict() for difference in footnote.differences]}
