"""One study's part of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.factorial.columns import anova_columns, explained, importance_columns, level_columns
from analysis.formats.blocks import blocks
from analysis.formats.columns import Column
from analysis.formats.html import block_lines, escape, grid_lines, note, note_anchor, plain, table_cell
from analysis.formats.legend import Line, below
from analysis.html import picture, scrolling
from analysis.planning.needs import needs, total_hours
from analysis.plots.drawn import Drawn
from analysis.provenance.explanation import explain
from analysis.report import power
from analysis.report.fixed import conditions
from analysis.report.provenance import provenance
from analysis.report.runs import opened
from analysis.report.sentence import sentences
from analysis.statistics.factorial import Factorial
from analysis.table.build import Table
from studies.definition.study import Study
from studies.records.records import Record

SECTIONS = {
    "verdict": "Verdict",
    "table": "Table",
    "factors": "Factors",
    "plots": "Plots",
    "fixed": "What was varied and what was fixed",
    "power": "Power",
    "provenance": "Provenance",
    "runs": "Runs",
}
"""The sections of a chapter, in order: the end of their ids, and their headings."""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A study and what is known of it.

    Attributes:
        anchor: what the ids of this chapter begin with.
        study: what was asked.
        records: its runs, whatever their state.
        table: what they amount to.
        factorial: it taken apart, where it crosses factors.
        figures: its plots.
        absent: a sentence about the plots that cannot be drawn; empty where there is none.

    """

    anchor: str
    study: Study
    records: Sequence[Record]
    table: Table
    factorial: Factorial | None = None
    figures: Sequence[Drawn] = ()
    absent: str = ""

    def id(self, part: str) -> str:
        """Return the id of one of its parts."""
        return f"{self.anchor}-{part}"

    @property
    def sections(self) -> list[tuple[str, str]]:
        """The id and the heading of each section that it has."""
        lacking = {"plots"} if not (self.figures or self.absent) else set()
        lacking |= {"factors"} if self.factorial is None else set()
        return [(self.id(name), title) for name, title in SECTIONS.items() if name not in lacking]

    def html(self) -> str:
        """Return the chapter."""
        content = {
            "verdict": _verdict(self),
            "table": _table(self),
            "factors": _factors(self),
            "plots": _plots(self),
            "fixed": definitions(conditions(self.study)),
            "power": _power(self),
            "provenance": definitions(provenance(self.records) or {"runs": "none is complete"}),
            "runs": _runs(self),
        }
        parts = []
        for anchor, title in self.sections:
            name = anchor.removeprefix(self.id(""))
            heading = f'<h3 id="{anchor}" tabindex="-1">{title}</h3>'
            parts.append(f'<section class="part-{name}">\n{heading}\n{content[name]}\n</section>')
        head = f'<h2 id="{self.anchor}" tabindex="-1">{plain(self.study.question)}</h2>\n{_facts(self)}'
        return "\n".join([f'<article aria-labelledby="{self.anchor}">\n{head}', *parts, "</article>"])


def definitions(facts: dict[str, str]) -> str:
    """Return names and what they stand for, as a `<dl>`."""
    lines = [f"<div><dt>{plain(name)}</dt><dd>{plain(told)}</dd></div>" for name, told in facts.items()]
    return "\n".join(["<dl>", *lines, "</dl>"])


def listed(lines: Sequence[str]) -> str:
    """Return lines of text as a list, a single one as a paragraph."""
    if len(lines) == 1:
        return f"<p>{plain(lines[0])}</p>"
    return "\n".join(["<ul>", *(f"<li>{plain(line)}</li>" for line in lines), "</ul>"])


def _facts(chapter: Chapter) -> str:
    study, rows = chapter.study, chapter.table.rows
    parts = [
        f"Study {study.label}",
        f"{len(study.rows)} rows x {len(study.seed_list)} seed{'s' * (len(study.seed_list) > 1)}",
        f"{sum(row.n for row in rows)} of {sum(row.wanted for row in rows)} runs complete",
        *([f"the paper's table {study.paper}"] if study.paper else []),
    ]
    return f'<p class="fixed">{" · ".join(map(plain, parts))}</p>'


def _verdict(chapter: Chapter) -> str:
    return listed(sentences(chapter.table))


def _table(chapter: Chapter) -> str:
    """Return the grids, each scrolling on its own, then the notes; a row's name and figures lead to its runs."""
    table = chapter.table

    def cell(column: Column, place: int) -> str:
        figures, goal = column.kind == "figures", f'href="#{chapter.id(f"row-{place}")}"'
        text = unbroken(column.cells[place]) if figures else plain(column.cells[place])
        if column.heading == "row":
            return f"<a {goal}>{text}</a>"
        return f'<a {goal} tabindex="-1">{text}</a>' if text and figures else text

    grids = []
    for block in blocks(table):
        title = block.title or "Each row, and its difference to the baseline"
        caption = f"{title}. A row's name or figures lead to its runs."
        lines = block_lines(table, block, caption, table_cell(table, block, cell))
        grids.append(scrolling("\n".join(["<table>", *lines, "</table>"]), f"{title}: table of {table.study}"))
    notes = [_note(table, line) for line in below(table) if not line.text.startswith("Fixed: ")]
    return "\n".join([*grids, '<div class="notes">', "<ul>", *notes, "</ul>", "</div>"])


def _note(table: Table, line: Line) -> str:
    """Return a line below the table; a footnote can be reached from the cells that it is about."""
    anchor = f' id="{note_anchor(table, line.mark)}" tabindex="-1"' if line.mark else ""
    return f"<li{anchor}>{note(line)}</li>"


def unbroken(cell: str) -> str:
    """Return figures as HTML that breaks only where a narrow page may, first figures still padded to one width."""
    first, *others = (escape(line.rstrip()) for line in cell.split("\n"))
    pad = len(first) - len(first.lstrip())
    lines = [line.replace(" ", "\N{NO-BREAK SPACE}") for line in (first.lstrip(), *others)]
    return "\N{FIGURE SPACE}" * pad + " ".join(lines)


def _factors(chapter: Chapter) -> str:
    found, label = chapter.factorial, chapter.table.study
    if found is None:
        return ""
    grids = []
    for title, columns in (
        ("Analysis of variance", anova_columns(found)),
        ("Estimated marginal means", level_columns(found, chapter.table.metric)),
        ("Importance", importance_columns(found)),
    ):
        if columns and columns[0].cells:
            lines = ["<table>", *grid_lines(title, columns), "</table>"]
            grids.append(scrolling("\n".join(lines), f"{title}: table of {label}"))
    notes = listed(explained(found, looks=chapter.study.stopping is not None))
    return "\n".join([*grids, '<div class="notes">', notes, "</div>"])


def _plots(chapter: Chapter) -> str:
    label = chapter.study.label
    parts = [picture(one, level=4, form="svg", name=f"{one.title}, study {label}") for one in chapter.figures]
    return "\n".join([*parts, *([f'<p class="fixed">{plain(chapter.absent)}</p>'] if chapter.absent else [])])


def _power(chapter: Chapter) -> str:
    table = chapter.table
    found = power.powers(table, chapter.records)
    told = power.lead(table, found, total_hours(needs(table, chapter.records), table, chapter.records))
    text = "\n".join(f"<p>{plain(line)}</p>" for line in told)
    lines = grid_lines("What each comparison could resolve (percentage points)", power.columns(found))
    return f"{text}\n{scrolling(chr(10).join(['<table>', *lines, '</table>']), f'Power: table of {table.study}')}"


def _runs(chapter: Chapter) -> str:
    rows = {row.label: row for row in chapter.table.rows}
    parts = [
        opened(
            explain(chapter.study, chapter.records, row.label),
            row,
            rows[row.baseline],
            chapter.id(f"row-{place}"),
            chapter.id("table"),
        )
        for place, row in enumerate(chapter.table.rows)
    ]
    hint = "A run's folder is named by its key; so is its run on W&B. <code>bam explain</code> tells more."
    return "\n".join([f'<p class="fixed">{hint}</p>', *parts])
