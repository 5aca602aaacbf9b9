"""The Report of a study in W&B, as data: nothing here calls a server."""

from typing import Any, Final

from analysis.formats.markdown import as_markdown
from analysis.report.page import Made
from analysis.report.provenance import conditions
from analysis.report.verdict import sentences
from analysis.review.library import library
from analysis.review.panels import conclusions, curves, gates, maps
from analysis.review.runs import analysed, row_path, title, trained
from analysis.review.view import BASELINE
from analysis.table.build import Table
from studies.definition.study import Study
from studies.terminal.text import visible

WIDTH: Final = 24
"""How wide a report's grid of panels is, in its own units."""


def report(
    study: Study, table: Table, entity: str, project: str, *, methods: str = "", made: Made | None = None
) -> Any:
    """Return the Report of a study, a `wandb_workspaces.reports.v2.Report`.

    It has the verdict, the table, curves by row, what was varied and fixed, the method as `methods` tells it in
    Markdown, and how it was `made`. A text of its own is shown as it is; Markdown is escaped where it is written.
    """
    _, reports = library()
    conclusion = reports.Runset(name="Analysis", filters=analysed(study.label))
    rows = reports.Runset(
        name="Runs by row",
        filters=trained(study.label),
        groupby=[f"config.{row_path(study.label)}"],
        order=[reports.OrderBy("CreatedTimestamp", ascending=True)],
    )
    key = reports.Config(row_path(study.label))
    colours = {
        reports.RunsetGroup(rows.name, (reports.RunsetGroupKey(key, baseline),)): BASELINE
        for baseline in study.baselines
    }
    lines = curves(reports, study)
    attention = any(run.attention is not None for run in study.rows.values())
    lines += gates(reports, study.label) if attention else []
    drawn = conclusions(reports) + (maps(reports) if attention else [])
    facts = [f"{heading}: {text}" for heading, text in conditions(study).items()]
    blocks = [
        reports.H2("Verdict"),
        _items(reports, sentences(table)),
        reports.H2("Table"),
        reports.MarkdownBlock(as_markdown(table)),
        _grid(reports, conclusion, drawn, {}),
        reports.H2("Curves"),
        _grid(reports, rows, lines, colours),
        reports.H2("What was varied and what was fixed"),
        _items(reports, facts),
        *([reports.MarkdownBlock(visible(methods))] if methods else []),
        *([reports.H2("How this was made"), _made(reports, made)] if made else []),
    ]
    return reports.Report(
        entity=entity,
        project=project,
        title=title(f"Study {study.label}"),
        description=description(study),
        blocks=blocks,
        width="fluid",
    )


def description(study: Study) -> str:
    """Return the line below the title; no other study has it."""
    return f"{study.label}: {_line(study.question)}"


def _items(reports: Any, texts: list[str]) -> Any:
    return reports.UnorderedList(items=[_line(text) for text in texts])


def _line(text: str) -> str:
    return visible(" ".join(text.split()))


def _grid(reports: Any, runs: Any, panels: list[Any], colours: dict[Any, str]) -> Any:
    """Return panels side by side, two a line; of the same project, which the package would ask the server for."""
    for place, panel in enumerate(panels):
        wide = WIDTH // 2
        panel.layout = reports.Layout(x=place % 2 * wide, y=place // 2 * wide, w=wide, h=wide)
    return reports.PanelGrid(runsets=[runs], panels=panels, custom_run_colors=colours)


def _made(reports: Any, made: Made) -> Any:
    when = f", lightning-bam {made.version}, {made.when:%Y-%m-%d %H:%M} UTC."
    return reports.P(["By ", reports.InlineCode(_line(made.command)), when])
