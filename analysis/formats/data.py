"""The formats for programs: full precision, nothing rounded."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from analysis.row import Row
from analysis.table import Table


def as_csv(table: Table) -> str:
    """Return `Table.to_frame` as comma-separated values; empty where there is no figure."""
    return str(table.to_frame().to_csv(index=False, lineterminator="\n"))


def as_json(table: Table) -> str:
    """Return everything the table knows, per-seed errors included; null where there is no figure."""
    data = {
        "study": table.study,
        "question": table.question,
        "baseline": table.baseline,
        "rows": [_row(row) for row in table.rows],
        "notes": table.notes,
        "fixed": table.fixed,
        "complete": table.complete,
    }
    return json.dumps(_without_nan(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _row(row: Row) -> dict[str, Any]:
    return asdict(row) | {"states": dict(row.states)}


def _without_nan(item: Any) -> Any:
    if isinstance(item, dict):
        return {str(key): _without_nan(value) for key, value in item.items()}
    if isinstance(item, list):
        return [_without_nan(value) for value in item]
    return None if isinstance(item, float) and math.isnan(item) else item
