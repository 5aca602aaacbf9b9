"""Pictures of what was found: a table, the differences of all studies, and what one seed would have said."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.formats.columns import signed
from analysis.formats.render import render
from analysis.html.templates import escape
from analysis.plots.effects import symbol
from analysis.plots.ladder import column, interval
from analysis.plots.plot import Picture, Plot, freeze_layout, legend_below
from analysis.plots.style import DARK, FAINT, GREY, INK, PAGE, PAPER, SMALL, WHITE, styled
from analysis.table.build import Table
from analysis.table.model import Row

RUNG: Final = 0.165
"""Height in inches of a line of the forest plot."""
WIDE: Final = 122
"""Letters in a line of a table that is drawn."""
DRAWN: Final = ("params", "macs", "error_top1_mean", "delta", "verdict")
"""Its columns: p and its limit want more words than a picture has."""
LETTER: Final = 8.0
LINE: Final = 17.0
"""Width and height in pixels of a letter of a table that is drawn."""
SEGMENTS: Final = ("#7cc4ee", "#b5def5")
NONE: Final = "#c9c9c9"
WRITING: Final[dict[str, Any]] = {"ha": "center", "va": "center", "fontsize": SMALL - 1, "color": "#111111"}
"""Colours of a bar's parts in turn, of the baseline's, and what is written on them: the same on a dark page."""
STYLE: Final = (
    "text {font: 13px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: INK} "
    "rect {fill: WHITE; stroke: FAINT}"
)
"""How a table that is drawn looks, in the colours of `analysis.plots.style`."""


def table_picture(table: Table) -> bytes:
    """Draw a table as a terminal shows it, without its notes and footnotes: an SVG that is dark on a dark page."""
    rows = [replace(row, marks=()) for row in table.rows]
    lines = (
        render(replace(table, rows=rows, footnotes=()), "text", notes="none", chosen=DRAWN, width=WIDE)
        .rstrip("\n")
        .split("\n")
    )
    width, height = LETTER * (max(map(len, lines)) + 4), LINE * (len(lines) + 1.5)
    light, dark = (
        STYLE.replace("INK", colours[INK]).replace("WHITE", colours[WHITE]).replace("FAINT", colours[FAINT])
        for colours in ({name: name for name in DARK}, DARK)
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img"><title>{escape(table.question)}</title>'
        f"<style>{light} @media (prefers-color-scheme: dark) {{{dark}}}</style>"
    )
    frame = f'<rect x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="6"/>'
    texts = [
        f'<text x="{LETTER * 2:g}" y="{LINE * (place + 1.5):g}" xml:space="preserve" '
        f'textLength="{LETTER * len(line):g}">{escape(line)}</text>'
        for place, line in enumerate(line.rstrip() for line in lines)
        if line
    ]
    return "\n".join([head, frame, *texts, "</svg>", ""]).encode()


def name_of(table: Table) -> str:
    """Return the study's name without its scale, which is the same for all."""
    return table.study.partition("+")[0]


def grouped(tables: Sequence[Table]) -> list[tuple[Table, list[Row]]]:
    """Return the rows of each study that have a difference, of one that several studies have only the first."""
    groups, seen = [], set[tuple[tuple[int, float], ...]]()
    for table in tables:
        rows = []
        for row in table.rows:
            figures = tuple(sorted(row.errors.items()))
            if row.delta and figures not in seen:
                rows.append(row)
            seen.add(figures)
        groups.append((table, rows))
    return groups


def differences(tables: Sequence[Table]) -> Plot:
    """Draw each row's differences from its baseline, those at each seed behind their mean and interval."""
    groups = grouped(tables)
    with styled(PAPER):
        count = sum(len(rows) + 1 for _, rows in groups)
        figure = Picture(figsize=(PAGE, RUNG * count + 0.9))
        axes = figure.subplots()
        looks = _forest(axes, groups)
        axes.set_xlabel(
            "Δ top-1 error to the same network without attention (percentage points)\n← better\u2003\u2003worse →"
        )
        legend_below(figure, [Line2D([], [], **look) for look in looks.values()])
        freeze_layout(figure)
    said = " ".join(
        f"{name_of(table)}: {', '.join(f'{row.label} {signed(row.delta.mean)}' for row in rows if row.delta)}."
        for table, rows in groups
    )
    return Plot(
        name="differences",
        title="What was found: differences in top-1 error",
        figure=figure,
        alt=f"Forest plot of the differences in top-1 error to the network without attention. {said}",
        caption="Mean difference at the same seed with its interval; ticks are single seeds; shaded: the margin.",
    )


def _forest(axes: Axes, groups: Sequence[tuple[Table, Sequence[Row]]]) -> dict[str, dict[str, Any]]:
    """Draw the rows of each study below its name; return the marks by what they mean."""
    looks: dict[str, dict[str, Any]] = {}
    heights, names, counts, height = [], [], {}, 0.0
    values = [value for _, rows in groups for row in rows for value in row.differences]
    axes.set_xlim(min(-1.0, *values) - 0.1, max(1.0, *values) + 0.1)
    left = axes.get_yaxis_transform()
    for table, rows in groups:
        axes.text(-0.01, height, name_of(table), transform=left, ha="right", va="center", weight="bold")
        for row in rows:
            height += 1
            look = symbol(row.verdict, higher_is_better=table.metric.higher_is_better)
            looks[look["label"]] = look
            assert row.delta is not None
            axes.axhline(height, color=FAINT, linewidth=0.5, zorder=0)
            axes.plot(row.differences, [height] * len(row.differences), "|", color=GREY, markersize=4, zorder=1)
            interval(axes, height, row.delta.low, row.delta.high, row.label)
            axes.plot([row.delta.mean], [height], zorder=3, **look | {"label": f"_{name_of(table)} {row.label}"})
            heights.append(height)
            names.append(row.label)
            counts[height] = str(row.delta.n)
        height += 1
    margin = next((table.margin for table, _ in groups if table.margin), None)
    if margin:
        axes.axvspan(-margin, margin, color=FAINT, alpha=0.5, linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    axes.set_ylim(height - 0.3, -0.7)
    axes.set_yticks(heights, names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    column(axes, "n", counts)
    return looks


def winners(table: Table) -> dict[str, int]:
    """Return at how many of the seeds that all rows have each row's error is the lowest; a tie counts for the first."""
    seeds = set.intersection(*(set(row.errors) for row in table.rows))
    best = Counter(min(table.rows, key=lambda row: row.errors[seed]).label for seed in seeds)
    return {row.label: best[row.label] for row in table.rows if best[row.label]}


def single_seeds(tables: Sequence[Table]) -> Plot:
    """Draw for each study which row one seed alone would have called the best, and at how many seeds."""
    won = {name_of(table): winners(table) for table in tables}
    with styled(PAPER):
        figure = Picture(figsize=(PAGE, 0.34 * len(won) + 0.5))
        axes = figure.subplots()
        for place, table in enumerate(tables):
            counts, shades, left = won[name_of(table)], cycle(SEGMENTS), 0.0
            for label, count in counts.items():
                share = 100 * count / sum(counts.values())
                colour = NONE if label in table.baselines else next(shades)
                axes.barh(place, share, left=left, height=0.72, color=colour, edgecolor="white", linewidth=1)
                fits = share > max(1.3 * len(label), 5)
                axes.annotate(f"{label}\n{count}" if fits else f"{count}", (left + share / 2, place), **WRITING)
                left += share
        axes.set_yticks(range(len(won)), list(won))
        axes.set_ylim(len(won) - 0.5, -0.5)
        axes.set_xlim(0, 100)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("% of seeds at which the row has the lowest error (and how many)")
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        freeze_layout(figure)
    said = " ".join(f"{study}: {', '.join(f'{row} {n}' for row, n in rows.items())}." for study, rows in won.items())
    return Plot(
        name="single-seeds",
        title="What one seed would have said",
        figure=figure,
        alt=f"At how many seeds each row has the lowest error. {said}",
        caption="Which row one seed alone would have called the best.",
    )
