"""The panels that a saved view and a report share."""

from collections.abc import Iterable
from typing import Any

from analysis.review.runs import row_path
from studies.definition.study import Study
from studies.tracking.names import COUNTS, CURVES, EFFECTS, FIGURES, GATES, MAPS, METHODS, PAGE, TABLE, phase


def figure(study: Study) -> str:
    """Return what the figure that a study compares is called in W&B."""
    return f"{phase(next(iter(study.rows.values())))}/{study.scale.name}"


def conclusions(reports: Any) -> list[Any]:
    """Return what the analysis run of a study has logged: the table, then pictures and pages."""
    pages = ((EFFECTS, "Effects"), (CURVES, "Learning curves"), (PAGE, "Report"), (METHODS, "Method"))
    return [
        reports.WeavePanelSummaryTable(table_name=TABLE),
        *(reports.MediaBrowser(title=title, media_keys=[key], num_columns=1) for key, title in pages),
    ]


def curves(reports: Any, study: Study) -> list[Any]:
    """Return the figure that the study compares and the training loss by epoch.

    A line is the mean over the seeds of a row, its band goes from the least to the greatest, as in the plots of a
    report. Where not every epoch is scored there is a bar a row in place of the figure's line.
    """
    every = all(run.actual_task.each_epoch for run in study.rows.values())
    name, title, rows = figure(study), f"{study.scale.label}, test", row_path(study.label)
    scored = by_epoch(reports, rows, title, [name]) if every else bars(reports, rows, title, name)
    return [scored, by_epoch(reports, rows, "Training loss", [FIGURES["train_loss"]])]


def gates(reports: Any, label: str) -> list[Any]:
    """Return how open the gates of attention are, place by place, in the study with this label."""
    return [
        by_epoch(reports, row_path(label), "Gates: mean", (), metric_regex=f"^{GATES[1]}.*/mean$"),
        by_epoch(reports, row_path(label), "Gates: saturated share", (), metric_regex=f"^{GATES[1]}.*/saturated$"),
    ]


def costs(reports: Any, label: str) -> list[Any]:
    """Return what a row of the study, or a trial of the search, with this label costs as measured."""
    return [
        by_epoch(reports, row_path(label), "Images per second, training", [FIGURES["images_per_s"]]),
        bars(reports, row_path(label), "Device memory (GiB)", FIGURES["memory_gib"], "max"),
        bars(reports, row_path(label), "Seconds of training", COUNTS["seconds"]),
    ]


def maps(reports: Any) -> list[Any]:
    """Return the attention maps that `bam inspect` has drawn."""
    return [reports.MediaBrowser(title="Attention maps", media_keys=[MAPS])]


def by_epoch(reports: Any, rows: str, title: str, figures: Iterable[str], **more: Any) -> Any:
    """Return figures by epoch, a line and a band a row; `rows` is where a run's config has the name of its row."""
    return reports.LinePlot(
        title=title,
        x="Step",
        title_x="epoch",
        y=list(figures),
        groupby=reports.Config(rows),
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        smoothing_type="none",
        **more,
    )


def bars(reports: Any, rows: str, title: str, name: str, over_seeds: str = "mean") -> Any:
    """Return the reported figures, a bar a row, with the least and the greatest of its seeds."""
    return reports.BarPlot(
        title=title,
        metrics=[name],
        groupby=reports.Config(rows),
        groupby_aggfunc=over_seeds,
        groupby_rangefunc="minmax",
    )
