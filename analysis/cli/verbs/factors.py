"""`bam factors`: what each factor of a study does."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.cells import cell_len

from analysis.checks.unlisted import NOTHING, unlisted
from analysis.cli.arguments import JSON, RUNS, SELECTION, STUDY
from analysis.cli.output import grid
from analysis.cli.selection import read
from analysis.factorial.columns import explained, tables
from analysis.factorial.factors import Factor, answer, factors_of
from analysis.factorial.study import factorial_of
from analysis.formats.columns import Column
from analysis.formats.json_text import json_text
from analysis.statistics.factorial import Factorial
from studies.definition.study import Study
from studies.errors import StudyError
from studies.terminal.console import Console

WIDTH = 80
"""What a table takes at least, so that no figure and no factor's name is broken."""
GAP = 2
"""Blanks between two columns of `grid`."""
ARGUMENTS = (STUDY, *SELECTION, *RUNS, JSON)


def execute(arguments: argparse.Namespace) -> int:
    """Print analysis of variance, marginal means, contrasts, trends and importance."""
    study, records = read(arguments)
    beside = unlisted([(study, records)]).get(study.label, NOTHING)
    factorial, factors = factorial_of(study, records), factors_of(study, records, beside.knobs)
    if factorial is None and not factors:
        raise StudyError(
            f"{study.label}: nothing to take apart: no finished runs, in one panel, of rows that cross two factors or "
            "have three numbers or more for one; bam table --against ROW compares any two rows"
        )
    if arguments.json:
        parts = as_data(factorial) if factorial else {}
        print(json_text({"study": study.label, "metric": study.metric, **parts, **by_itself(factors, study)}))
        return 0
    console = Console(width=max(Console().width, WIDTH))
    console.print(f"{study.label}: {study.question}", soft_wrap=not console.is_terminal)
    for _, columns in tables(factorial, factors, study):
        text = [column.heading for column in columns if column.kind != "number"]
        table = grid((column.heading for column in columns), text)
        for shown, column, wide in zip(table.columns, columns, widths(columns, console.width), strict=True):
            shown.no_wrap = column.kind == "number" or column.heading == "factor"
            shown.width = wide
        for cells in zip(*(column.cells for column in columns), strict=True):
            table.add_row(*cells)
        console.print()
        console.print(table)
    console.print()
    for line in explained(factorial, factors, study):
        console.print(f"· {line}")
    return 0


def widths(columns: Sequence[Column], page: int) -> list[int]:
    """Return how wide each column is: of a page too narrow for all, texts are folded, the last first, at words."""
    wide = [max(map(cell_len, (column.heading, *column.cells))) for column in columns]
    for at, column in reversed([*enumerate(columns)]):
        over = sum(wide) + GAP * (len(wide) - 1) - page
        if over > 0 and column.kind != "number" and column.heading != "factor":
            words = " ".join((column.heading, *column.cells)).split()
            wide[at] = max(wide[at] - over, *map(cell_len, words))
    return wide


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


def by_itself(factors: Sequence[Factor], study: Study) -> dict[str, Any]:
    """Return contrasts and trends as JSON data."""
    return {
        "contrasts": [
            {"factor": factor.name, **asdict(one), "verdict": answer(one, study)}
            for factor in factors
            for one in factor.contrasts
        ],
        "trends": [
            {"factor": factor.name, **asdict(trend), "verdict": answer(trend, study)}
            for factor in factors
            if (trend := factor.trend)
        ],
    }
