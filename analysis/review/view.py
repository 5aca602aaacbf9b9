"""The saved view of a study or a search in W&B, as data: nothing here calls a server."""

from dataclasses import replace
from typing import Any, Final

from analysis.review.library import library
from analysis.review.panels import conclusions, costs, curves, figure, gates, maps
from analysis.review.runs import column, knob, of_study, row_path, title
from analysis.table.build import Table
from lightning_bam.run_folder.result import headline
from studies.definition.study import Study
from studies.search.choices import Integer, Real
from studies.search.space import Space
from studies.tracking.names import analysis_id, phase

BASELINE: Final = "#757575"
"""The colour of a baseline's lines, which reads on white and on black; W&B chooses the others."""
LINES: Final = 10
"""Lines that W&B shows in a plot, unless told otherwise."""
TRIALS: Final = 50
"""Trials of a search whose curves it shows."""
PINS: Final = 20
"""Runs that it keeps on top of the list, at most."""


def workspace(study: Study, table: Table, entity: str, project: str) -> Any:
    """Return the saved view of a study, a `wandb_workspaces.workspaces.Workspace`.

    Runs are grouped by row. The first run of each baseline that is complete is pinned, that of a single one to be the
    baseline of W&B's own comparison. The analysis run is among the runs, as all panels of a view show the same ones; it
    is pinned, too, and has no curves.
    """
    workspaces, reports = library()
    pinned = _pinned(study, table)
    sections = [
        _section(workspaces, "Conclusions", conclusions(reports), columns=2, rows=3, pinned=True),
        _section(workspaces, "Curves", curves(reports, study), columns=2),
    ]
    if any(run.attention is not None for run in study.rows.values()):
        sections.append(_section(workspaces, "Gates", gates(reports, study.label), columns=2))
        sections.append(_section(workspaces, "Attention maps", maps(reports), columns=1, opened=False))
    sections.append(_section(workspaces, "Cost", costs(reports, study.label), columns=3, opened=False))
    runs = workspaces.RunsetSettings(
        filters=of_study(study.label),
        groupby=[workspaces.Config(row_path(study.label))],
        order=[workspaces.Ordering(workspaces.Metric("CreatedTimestamp"), ascending=True)],
        group_colors=dict.fromkeys(study.baselines, BASELINE),
        pinned_columns=[f"summary:{figure(study)}", "config:seed.value", *map(column, study.scientific)],
        baseline_run=pinned[0] if pinned and len(study.baselines) == 1 else None,
        pinned_runs=[*pinned, analysis_id(study.label)],
    )
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name=title(f"Study {study.label}"),
        sections=sections,
        settings=workspaces.WorkspaceSettings(max_runs=max(LINES, len(study.rows))),
        runset_settings=runs,
    )


def search_workspace(space: Space, label: str, entity: str, project: str) -> Any:
    """Return the saved view of the search called `label`: which knobs matter, the trials, and their curves.

    A trial is scored on the held-out part of train.
    """
    workspaces, reports = library()
    metric = headline(space.base)
    name = f"{phase(replace(space.base, score_on='held_out'))}/{metric.name}"
    score, heading, began = reports.SummaryMetric(name), f"{metric.label}, held out", reports.Metric("CreatedTimestamp")
    best = {"running_ymax" if metric.higher_is_better else "running_ymin": True}
    axes = [
        reports.ParallelCoordinatesPlotColumn(
            metric=reports.Config(knob(one)), display_name=one, log=isinstance(choice, Integer | Real) and choice.log
        )
        for one, choice in space.choices.items()
    ]
    axes.append(reports.ParallelCoordinatesPlotColumn(metric=score, display_name=heading))
    searched = [
        reports.ParallelCoordinatesPlot(title="Knobs and figure of each trial", columns=axes),
        reports.ParameterImportancePlot(with_respect_to=name),
        reports.ScatterPlot(title="Trials in the order they began", x=began, y=score, **best),
    ]
    trials = [reports.LinePlot(title=heading, x="Step", title_x="epoch", y=[name], smoothing_type="none")]
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name=title(f"Search {label.removeprefix('search+')}"),
        sections=[
            _section(workspaces, "Search", searched, columns=1, rows=3, pinned=True),
            _section(workspaces, "Curves", trials, columns=1),
            _section(workspaces, "Cost", costs(reports, label), columns=3, opened=False),
        ],
        settings=workspaces.WorkspaceSettings(max_runs=TRIALS),
        runset_settings=workspaces.RunsetSettings(
            filters=of_study(label),
            order=[workspaces.Ordering(workspaces.Summary(name), ascending=not metric.higher_is_better)],
            pinned_columns=[f"summary:{name}", *map(column, space.choices)],
        ),
    )


def _pinned(study: Study, table: Table) -> list[str]:
    """Return the ids of the first complete run of each baseline."""
    seeds = {row.label: min(row.errors) for row in table.rows if row.errors}
    runs = [replace(study.rows[row], seed=seeds[row]) for row in study.baselines if row in seeds]
    return [run.key for run in runs[: PINS - 1]]


def _section(
    workspaces: Any,
    name: str,
    panels: list[Any],
    *,
    columns: int,
    rows: int = 1,
    opened: bool = True,
    pinned: bool = False,
) -> Any:
    layout = workspaces.SectionLayoutSettings(columns=columns, rows=rows)
    return workspaces.Section(name=name, panels=panels, is_open=opened, pinned=pinned, layout_settings=layout)
