"""The page that holds what studies concluded, how sure that is, and the way back to every run behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from analysis.factorial.columns import explained, tables
from analysis.factorial.factors import factors_of
from analysis.factorial.study import factorial_of
from analysis.formats.blocks import blocks
from analysis.formats.html import html_table, note_prefix
from analysis.formats.legend import Line, below
from analysis.html.templates import render
from analysis.planning.needs import needs, total_hours
from analysis.plots.kinds import KINDS, draw
from analysis.plots.plot import NoPlot, Plot
from analysis.report import power
from analysis.report.provenance import MACHINE_NAMES, conditions, provenance, row_runs
from analysis.report.verdict import sentences
from analysis.table.build import Table
from studies.definition.study import Study
from studies.records.records import Record

HEADINGS = {
    "verdict": "Verdict",
    "table": "Table",
    "factors": "Factors",
    "plots": "Plots",
    "fixed": "What was varied and what was fixed",
    "power": "Power",
    "provenance": "Provenance",
    "runs": "Runs",
}
"""The sections of a study's chapter, in order: the end of their ids, and their headings."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """How a page was made: by which command, with which version, from which runs folder, and when (UTC)."""

    command: str
    version: str
    root: str
    when: datetime


def page(studies: Sequence[tuple[Study, Sequence[Record]]], tables: Sequence[Table], made: Made) -> str:
    """Return the page of these studies with their records and tables; nothing in it is loaded from anywhere."""
    chapters = [
        chapter(f"study-{number}", study, records, table)
        for number, ((study, records), table) in enumerate(zip(studies, tables, strict=True), 1)
    ]
    one = f"Ablation report: {studies[0][0].label}"
    title = one if len(studies) == 1 else f"Ablation report of {len(studies)} studies"
    return render(
        "report/page.html.j2",
        title=title,
        chapters=chapters,
        headings=HEADINGS,
        machine_names=MACHINE_NAMES,
        made=made,
    )


def chapter(anchor: str, study: Study, records: Sequence[Record], table: Table) -> dict[str, object]:
    """Return what the template of a study's chapter shows; `anchor` is what its ids begin with."""
    rows = {row.label: row for row in table.rows}
    factorial, factors = factorial_of(study, records), factors_of(study, records)
    taken_apart = tables(factorial, factors, study)
    drawings = {kind: draw(kind, study, records, table) for kind in KINDS}
    absent = "; ".join(f"{kind} ({one.reason})" for kind, one in drawings.items() if isinstance(one, NoPlot))
    comparisons = power.powers(table, records)
    hours = total_hours(needs(table, records), table, records)
    blocks_of_rows = [(block.title or "Each row, and its difference to the baseline", block) for block in blocks(table)]
    short = _unfixed(below(table))
    hint, goal = "A row's name or figures lead to its runs.", f"{anchor}-row-"
    return {
        "anchor": anchor,
        "study": study,
        "sections": [
            (f"{anchor}-{part}", heading) for part, heading in HEADINGS.items() if taken_apart or part != "factors"
        ],
        "table": table,
        "verdict": sentences(table),
        "tables": [(title, html_table(table, block, f"{title}. {hint}", goal=goal)) for title, block in blocks_of_rows],
        "notes": short,
        "more_notes": [line for line in _unfixed(below(table, "all")) if line not in short],
        "note_prefix": note_prefix(table),
        "factorial": taken_apart,
        "factorial_notes": explained(factorial, factors, study),
        "figures": [drawing for drawing in drawings.values() if isinstance(drawing, Plot)],
        "absent": f"Not drawn: {absent}." if absent else "",
        "conditions": conditions(study),
        "power": power.columns(comparisons, table.margin),
        "power_lead": power.lead(table, comparisons, hours),
        "provenance": provenance(records) or {"runs": "none is complete"},
        "rows": [row_runs(study, records, row, rows[row.baseline]) for row in table.rows],
    }


def _unfixed(lines: Sequence[Line]) -> list[Line]:
    """Leave out what is fixed, which has a section of its own."""
    return [line for line in lines if not line.text.startswith("Fixed: ")]
