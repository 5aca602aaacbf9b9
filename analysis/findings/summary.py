"""What a study has found, in words, from its table as JSON: for the catalogue, its files' docstrings and the README."""

import math
from collections.abc import Mapping
from typing import Any

from analysis.formats.columns import signed

Rows = dict[str, list[Mapping[str, Any]]]


def by_verdict(table: Mapping[str, Any]) -> Rows:
    """Return the compared rows by their verdicts, as `equivalent within ±0.5`, in the table's order."""
    rows: Rows = {}
    for row in table["rows"]:
        if row["verdict"] != "baseline":
            rows.setdefault(row["verdict"], []).append(row)
    return rows


def difference(row: Mapping[str, Any]) -> str:
    """Return a row's Δ with its interval, as `−0.05 [−0.26, +0.17]`; `no pair` where it has none."""
    delta = row["delta"]
    if delta is None:
        return "no pair"
    low, high = (math.nan if end is None else end for end in (delta["low"], delta["high"]))
    return signed(delta["mean"]) + ("" if math.isnan(low) else f" [{signed(low)}, {signed(high)}]")


def seeds(table: Mapping[str, Any]) -> str:
    """Return how many seeds the compared rows have, as `n = 8` or `n = 8 to 12`."""
    counts = [row["delta"]["n"] for row in table["rows"] if row["delta"] is not None]
    low, high = min(counts, default=0), max(counts, default=0)
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def answer(table: Mapping[str, Any]) -> str:
    """Return what was found in a line: the baseline's figure, then each row's Δ in points with its interval."""
    baseline = next(row for row in table["rows"] if row["verdict"] == "baseline")
    parts = [f"{baseline['label']} {baseline['mean']:.2f} ± {baseline['sd']:.2f} % ({seeds(table)})"]
    for verdict, rows in by_verdict(table).items():
        parts.append(f"{verdict}: " + ", ".join(f"{row['label']} {difference(row)}" for row in rows))
    return "; ".join(parts)


def short(table: Mapping[str, Any]) -> str:
    """Return how many rows have which verdict, as `n = 8: 3 equivalent within ±0.5, 1 no clear difference`."""
    counts = [f"{len(rows)} {verdict}" for verdict, rows in by_verdict(table).items()]
    return f"{seeds(table)}: {', '.join(counts)}"
