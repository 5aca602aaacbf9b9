"""The one figure of a run that its trial, the live view and the state of a study go by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_bam.config import Run, nearest
from lightning_bam.run_folder.result import CLASSIFIED, DETECTED, METRICS, Metric, Result
from studies.errors import StudyError


def headline(run: Run) -> Metric:
    """Return the metric: a classifier's top-1 error, a detector's mean average precision."""
    return METRICS["map_50_95" if run.detects else "error_top1"]


def reported(run: Run, result: Result) -> float:
    """Return a finished run's figure, in percent.

    Raises:
        ValueError: a result of the other kind of network.

    """
    metric = headline(run)
    figure = result.figure(metric.name)
    if figure is None:
        raise ValueError(f"run {run.key}: its result has no {metric.name}")
    return figure


def so_far(run: Run, line: Mapping[str, Any]) -> float | None:
    """Return the figure of one epoch; None where the epoch was not scored."""
    return line.get(headline(run).name)


def check_metric(study: str, metric: str, rows: Mapping[str, Run]) -> None:
    """Make sure that every row reports what the study compares.

    Raises:
        StudyError: no such metric, or one that some row does not report.

    """
    if metric not in METRICS:
        raise StudyError(f"{study}: metric {metric!r}: no such metric; {nearest(metric, METRICS)}")
    for row, run in rows.items():
        reported_ones = DETECTED if run.detects else CLASSIFIED[:2]
        if metric not in reported_ones:
            kind = "detector" if run.detects else "classifier"
            raise StudyError(f"{study}: metric {metric!r}: row {row!r} is a {kind}; use {' or '.join(reported_ones)}")
