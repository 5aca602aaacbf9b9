"""The formats for programs: full precision, nothing rounded."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from analysis.formats.json_text import json_text
from analysis.table.build import Table
from analysis.table.model import Row
from studies.terminal.text import visible

if TYPE_CHECKING:
    import pandas as pd

STATES = ("missing", "failed", "interrupted", "running", "pruned")
"""Where a run may stand that is not complete."""
TYPES: Final = dict.fromkeys(("params", "macs", "delta_n", "comparisons", "look"), "Int64") | dict.fromkeys(
    ("params_equal", "macs_equal"), "boolean"
)
"""Of the columns of whole numbers and of answers, some of which may be absent."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a formula begins with."""
NUMBER: Final = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?")
UNLISTED: Final = ("seeds", "rows", "compared", "changed", "attempts")
"""What JSON has of `analysis.checks.unlisted.Unlisted`; notes tell the rest."""
OF_THE_PAPER = ("baseline", "printed_params", "printed_macs", "others", "note")
"""What a row has where the study has panels, or the paper prints the size of networks."""


def frame(tables: Sequence[Table]) -> pd.DataFrame:
    """Return a line for each row of each table: figures in percent, differences in percentage points.

    `delta_interval` says which interval `delta_low` and `delta_high` bound. Where seeds follow a rule, `p` and `p_tost`
    are those of the last look, to be held against `limit` and `tost_limit`.
    """
    import pandas as pd

    lines = pd.DataFrame([_line(table, row) for table in tables for row in table.rows])
    return lines.astype({name: kind for name, kind in TYPES.items() if name in lines})


def _line(table: Table, row: Row) -> dict[str, Any]:
    metric, evidence, look = table.metric.name, row.evidence, row.interim
    line: dict[str, Any] = {"study": table.study, "row": row.label, "params": row.params, "macs": row.macs}
    line |= {f"{metric}_mean": row.mean, f"{metric}_sd": row.sd, "n": row.n, "wanted": row.wanted}
    line["best"] = row.best
    line |= {
        "delta": getattr(row.delta, "mean", math.nan),
        "delta_n": None if row.label == row.baseline else len(row.differences),
        **{f"delta_{name}": getattr(row.delta, name, math.nan) for name in ("sd", "low", "high")},
        "delta_interval": row.interval,
        "p": getattr(row.delta, "p", math.nan),
        "p_adjusted": row.p_adjusted,
        "p_holm": row.p_holm,
        "p_tost": row.p_tost,
    }
    for name in ("t_low", "t_high", "hedges_g", "p_sign_flip", "bootstrap_low", "bootstrap_high"):
        line[name] = getattr(evidence, name, math.nan)
    if look is not None:
        line |= {"look": look.look, "limit": _or_nan(look.limit), "tost_limit": _or_nan(look.tost_limit)}
    line |= {"comparisons": table.comparisons, "margin": _or_nan(table.margin), "verdict": str(row.verdict)}
    line |= {"notes": " ".join(row.notes), "published": _or_nan(row.published), "compatible": row.compatible}
    line |= {"published_delta": _or_nan(row.published_delta), "compatible_delta": row.compatible_delta}
    line |= {state: row.states[state] for state in STATES}
    line["marks"] = "; ".join(note.about(row.label) for note in table.footnotes if note.mark in row.marks)
    line |= table.costs.values(row.label)
    if table.prints_counts or table.within or table.declared:
        line["baseline"] = row.baseline
    return line | _printed(row) if table.prints_counts else line


def _or_nan(figure: float | None) -> float:
    return math.nan if figure is None else figure


def _printed(row: Row) -> dict[str, Any]:
    line: dict[str, Any] = {}
    for name, unit, count in (("params", "m", row.printed_params), ("macs", "g", row.printed_macs)):
        line |= {
            f"published_{name}_{unit}": count.printed if count else "",
            f"{name}_equal": count.equal if count else None,
        }
    for other in row.others:
        line |= {
            f"published_{other.metric}": other.published,
            f"{other.metric}_mean": other.mean,
            f"{other.metric}_sd": other.sd,
            f"compatible_{other.metric}": other.compatible,
        }
    return line | {"note": row.note}


def as_csv(*tables: Table, chosen: Sequence[str] = ()) -> str:
    """Return `frame`, or its `chosen` columns, as comma-separated values; empty where there is no figure."""
    whole = frame(tables)
    return str(whole[list(chosen or whole)].map(csv_cell).to_csv(index=False, lineterminator="\n"))


def csv_cell(item: Any) -> Any:
    """Return what stands in a cell: a text that a spreadsheet would run as a formula has an apostrophe before it."""
    if not isinstance(item, str):
        return item
    return visible(f"'{item}" if item.startswith(FORMULA) and not NUMBER.fullmatch(item) else item)


def as_json(table: Table) -> str:
    """Return everything the table knows, per-seed errors included; null where there is no figure."""
    left_out = () if table.prints_counts or table.within or table.declared else OF_THE_PAPER
    data = {
        "study": table.study,
        "question": table.question,
        "metric": table.metric.name,
        "baseline": table.baselines[0] if len(table.baselines) == 1 else table.baselines,
        **({"declared_baseline": table.declared} if table.declared else {}),
        "rows": [
            {name: item for name, item in _row(row).items() if name not in left_out}
            | {"cost": table.costs.values(row.label)}
            for row in table.rows
        ],
        "notes": [*table.notes, *table.made],
        "footnotes": [
            asdict(note) | {"differences": [one._asdict() for one in note.differences]} for note in table.footnotes
        ],
        "device_hours": table.device_hours,
        "costs": {"machine": table.costs.machine, "spent": asdict(table.costs.spent)},
        "comparisons": table.comparisons,
        "margin": table.margin,
        "stopping": asdict(table.stopping) if table.stopping else None,
        "fixed": table.fixed,
        "complete": table.complete,
        "unlisted": {name: item for name, item in asdict(table.unlisted).items() if name in UNLISTED},
    }
    return visible(json_text(data, ascii_only=False)) + "\n"


def _row(row: Row) -> dict[str, Any]:
    evidence = asdict(row.evidence) if row.evidence else None
    more = {"states": dict(row.states), "evidence": evidence, "delta_interval": row.interval}
    return asdict(row) | more | {"verdict": str(row.verdict)}
