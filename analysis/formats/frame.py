"""A table as flat lines for programs: full precision, one line a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.table.model import Row
from analysis.table.published import PrintedCount

if TYPE_CHECKING:
    import pandas as pd

    from analysis.table.build import Table

STATES = ("missing", "failed", "lost", "running", "pruned")
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
            "verdict": row.verdict,
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
