"""`bam factors`: a factorial study taken apart."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table as Grid

from analysis.cli.parser import add_root, add_selection, add_storage
from analysis.cli.selection import gathered, looked_at, selected
from analysis.factorial.columns import anova_columns, explained, importance_columns, level_columns
from analysis.factorial.study import factorial_of
from analysis.formats.columns import Column
from analysis.statistics.factorial import Factorial
from studies.errors import StudyError
from studies.terminal.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("study", help="a name of the catalogue, or a Python file that defines STUDY")
    add_selection(parser)
    add_root(parser)
    add_storage(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, with the interactions")


def execute(arguments: argparse.Namespace) -> int:
    """Print analysis of variance, marginal means and importance."""
    looked_at(arguments)
    study = selected(arguments.study, arguments)
    found = factorial_of(study, gathered(study, arguments))
    if found is None:
        raise StudyError(
            f"{study.label}: nothing to take apart: a factorial study crosses two factors or more in one panel, and "
            "has finished runs of them"
        )
    if arguments.json:
        print(json.dumps({"study": study.label, "metric": study.metric, **as_data(found)}, indent=1, allow_nan=False))
        return 0
    console = Console()
    console.print(f"{study.label}: {study.question}", soft_wrap=True)
    for columns in (anova_columns(found), level_columns(found, study.scale), importance_columns(found)):
        if columns and columns[0].cells:
            console.print()
            console.print(grid(columns))
    console.print()
    for line in explained(found, looks=study.stopping is not None):
        console.print(f"· {line}")
    return 0


def grid(columns: Sequence[Column]) -> Grid:
    """Return columns as a table for a terminal."""
    made = Grid(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column.heading, justify="right" if column.kind == "number" else "left")
    for cells in zip(*(column.cells for column in columns), strict=True):
        made.add_row(*cells)
    return made


def as_data(found: Factorial) -> dict[str, Any]:
    """Return everything as JSON data; null where there is no figure."""
    interactions = [
        {
            "factors": list(one.factors),
            "cells": [
                {
                    "levels": list(levels),
                    "mean": _known(mean),
                    "low": _known(mean - one.spans[levels]),
                    "high": _known(mean + one.spans[levels]),
                    "runs": one.counts[levels],
                }
                for levels, mean in one.means.items()
            ],
        }
        for one in found.interactions
    ]
    lines = {name: [_plain(asdict(line)) for line in getattr(found, name)] for name in ("anova", "levels")}
    kept = {
        "importance": {name: dict(shares) for name, shares in found.importance.items()},
        "gaps": found.gaps,
        "left_out": {row: list(lacking) for row, lacking in found.left_out.items()},
        "alike": list(found.alike),
    }
    factors = {name: list(levels) for name, levels in found.factors.items()}
    return {"factors": factors, **lines, "interactions": interactions, **kept}


def _plain(line: dict[str, Any]) -> dict[str, Any]:
    return {name: _known(value) if isinstance(value, float) else value for name, value in line.items()}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
