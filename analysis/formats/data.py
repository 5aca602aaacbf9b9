"""The formats for programs: full precision, nothing rounded."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from analysis.checks.footnotes import Footnote
from analysis.formats.json_text import json_text
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.published import PrintedCount
from studies.terminal.text import visible

if TYPE_CHECKING:
    import pandas as pd

    from analysis.table.build import Table


STATES = ("missing", "failed", "interrupted", "running", "pruned")
"""Where a run may stand that is not complete."""
COUNTS = ("params", "macs", "delta_n", "comparisons", "look")
"""Columns of whole numbers, some of which may be absent."""


def frame(tables: Sequence[Table]) -> pd.DataFrame:
    """Return a line for each row of each table: figures in percent, differences in percentage points.

    `delta` rests on `delta_n` pairs, and `delta_interval` says which interval `delta_low` and `delta_high` bound.
    `p_tost` is adjusted for the `comparisons`, as `p_holm` is; where seeds follow a rule, it is that of the last look,
    to be held against `tost_limit`, as `p` against `limit`. What the paper prints besides its figure of the study's
    metric has columns where some table has it.
    """
    import pandas as pd

    lines = [_line(table, row) for table in tables for row in table.rows]
    found = pd.DataFrame(lines)
    kinds = dict.fromkeys(COUNTS, "Int64") | dict.fromkeys(("params_equal", "macs_equal"), "boolean")
    return found.astype({name: kind for name, kind in kinds.items() if name in found})


def _line(table: Table, row: Row) -> dict[str, Any]:
    delta = row.delta
    return (
        {
            "study": table.study,
            "row": row.label,
            "params": row.params,
            "macs": row.macs,
            f"{table.metric.name}_mean": row.mean,
            f"{table.metric.name}_sd": row.sd,
            "n": row.n,
            "wanted": row.wanted,
            "delta": delta.mean if delta else math.nan,
            "delta_n": None if row.label == row.baseline else len(row.differences),
            "delta_sd": delta.sd if delta else math.nan,
            "delta_low": delta.low if delta else math.nan,
            "delta_high": delta.high if delta else math.nan,
            "delta_interval": row.interval,
            "p": delta.p if delta else math.nan,
            "p_holm": row.p_holm,
            **_more(row),
            "comparisons": table.comparisons,
            "margin": math.nan if table.margin is None else table.margin,
            "verdict": str(row.verdict),
            "notes": " ".join(row.notes),
            "published": math.nan if row.published is None else row.published,
            "reproduced": row.reproduced,
        }
        | {state: row.states[state] for state in STATES}
        | {"marks": "; ".join(found.about(row.label) for found in table.footnotes if found.mark in row.marks)}
        | ({"baseline": row.baseline} if table.prints_counts or table.within else {})
        | (_printed(row) if table.prints_counts else {})
    )


def _more(row: Row) -> dict[str, float]:
    """Return what else the differences say, and where a stopping rule stands."""
    second, ruled = row.evidence, row.interim
    found = {"p_tost": row.p_tost if ruled is None else _or_nan(ruled.tost)}
    for name in ("hedges_g", "p_sign_flip", "bootstrap_low", "bootstrap_high"):
        found[name] = getattr(second, name) if second else math.nan
    if ruled is not None:
        found |= {"look": ruled.look, "limit": _or_nan(ruled.limit), "tost_limit": _or_nan(ruled.tost_limit)}
    return found


def _or_nan(figure: float | None) -> float:
    return math.nan if figure is None else figure


def _printed(row: Row) -> dict[str, Any]:
    line: dict[str, Any] = {}
    for name, count in (("params", row.printed_params), ("macs", row.printed_macs)):
        unit = {"params": "m", "macs": "g"}[name]
        found = count or PrintedCount(printed="", counted="", equal=None)
        line |= {f"published_{name}_{unit}": found.printed, f"{name}_equal": found.equal}
    for other in row.others:
        line |= {
            f"published_{other.metric}": other.published,
            f"{other.metric}_mean": other.mean,
            f"{other.metric}_sd": other.sd,
            f"reproduced_{other.metric}": other.reproduced,
        }
    return line | {"note": row.note}


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
    every["verdict"] = str(row.verdict)
    return {name: item for name, item in every.items() if whole or name not in OF_THE_PAPER}


def _footnote(footnote: Footnote) -> dict[str, Any]:
    return asdict(footnote) | {"differences": [difference._asdict() for difference in footnote.differences]}
