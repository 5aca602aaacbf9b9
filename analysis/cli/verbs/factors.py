"""`bam factors`: a factorial study taken apart."""

import argparse
from dataclasses import asdict
from typing import Any

from analysis.cli.arguments import JSON, RUNS, SELECTION, STUDY
from analysis.cli.output import grid
from analysis.cli.selection import read
from analysis.factorial.columns import anova_columns, explained, importance_columns, level_columns
from analysis.factorial.study import factorial_of
from analysis.formats.json_text import json_text
from analysis.statistics.factorial import Factorial
from studies.errors import StudyError
from studies.terminal.console import Console

ARGUMENTS = (STUDY, *SELECTION, *RUNS, JSON)


def execute(arguments: argparse.Namespace) -> int:
    """Print analysis of variance, marginal means and importance."""
    study, records = read(arguments)
    factorial = factorial_of(study, records)
    if factorial is None:
        raise StudyError(
            f"{study.label}: nothing to take apart: a factorial study crosses two factors or more in one panel, and "
            "has finished runs of them"
        )
    if arguments.json:
        print(json_text({"study": study.label, "metric": study.metric, **as_data(factorial)}))
        return 0
    console = Console()
    console.print(f"{study.label}: {study.question}", soft_wrap=True)
    for columns in (anova_columns(factorial), level_columns(factorial, study.scale), importance_columns(factorial)):
        if columns and columns[0].cells:
            text = [column.heading for column in columns if column.kind != "number"]
            table = grid((column.heading for column in columns), text)
            for cells in zip(*(column.cells for column in columns), strict=True):
                table.add_row(*cells)
            console.print()
            console.print(table)
    console.print()
    for line in explained(factorial, looks=study.stopping is not None):
        console.print(f"· {line}")
    return 0


def as_data(factorial: Factorial) -> dict[str, Any]:
    """Return everything as JSON data."""
    return asdict(factorial) | {
        "interactions": [
            {
                "factors": one.factors,
                "cells": [
                    {
                        "levels": levels,
                        "mean": mean,
                        "low": mean - one.spans[levels],
                        "high": mean + one.spans[levels],
                        "runs": one.counts[levels],
                    }
                    for levels, mean in one.means.items()
                ],
            }
            for one in factorial.interactions
        ]
    }
