"""A table as flat lines for programs: full precision, one line a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.printed import PrintedCount
from analysis.row import Row

if TYPE_CHECKING:
    import pandas as pd

    from analysis.table import Table

STATES = ("missing", "failed", "lost", "running", "pruned")
"""Where a run may stand that is not complete."""


def frame(tables: Sequence[Table]) -> pd.DataFrame:
    """Return a line for each row of each table: figures in percent, differences in percentage points.

    What the paper prints besides its figure of the study's metric has columns where some table has it.
    """
    import pandas as pd

    lines = [_line(table, row) for table in tables for row in table.rows]
    kinds = dict.fromkeys(("params", "macs"), "Int64") | {
        name: "boolean" for name in ("params_equal", "macs_equal") if any(name in line for line in lines)
    }
    return pd.DataFrame(lines).astype(kinds)


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
            "delta_low": delta.low if delta else math.nan,
            "delta_high": delta.high if delta else math.nan,
            "p": delta.p if delta else math.nan,
            "p_holm": row.p_holm,
            **_more(row),
            "verdict": row.verdict,
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
    second = row.evidence
    found = {"p_tost": row.p_tost}
    for name in ("hedges_g", "p_sign_flip", "bootstrap_low", "bootstrap_high"):
        found[name] = getattr(second, name) if second else math.nan
    if row.interim is not None:
        found |= {"look": row.interim.look, "limit": row.interim.limit or math.nan}
    return found


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
