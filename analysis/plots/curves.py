"""Learning curves: training loss and test figure by epoch, a line a row, with a band over the seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.formats.blocks import titled
from analysis.plots.drawn import INK, Absent, Drawn, count_range, drawn_in, number, settled
from analysis.plots.ladder import brief, folded, within_panel
from analysis.plots.palette import PAGE, TEXT, mark
from analysis.table.build import Table
from lightning_bam.run_folder.result import Metric
from studies.records.records import Record

TOGETHER: Final = 6
"""Rows besides the baseline that share axes; the others have axes of their own, with the baseline again."""
HEIGHT: Final = 2.3
"""Height in inches of each pair of axes."""
SETTLING: Final = 0.2
"""Share of the epochs, from the first, that need not lie within the frame of the test figure."""
LOSS: Final = "train_loss"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One row's figure by epoch, over its complete runs; `epochs` count from 1, the others have its length."""

    epochs: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]
    n: int


def curve(records: Sequence[Record], name: str) -> Curve:
    """Return mean, least and greatest over the seeds of what the runs recorded as `name`, where all of them did."""
    by_run = [{int(line["epoch"]) + 1: float(line[name]) for line in one.metrics if name in line} for one in records]
    epochs = sorted(set.intersection(*map(set, by_run))) if by_run else []
    values = [[run[epoch] for run in by_run] for epoch in epochs]
    return Curve(
        epochs=epochs,
        mean=[sum(seeds) / len(seeds) for seeds in values],
        low=[min(seeds) for seeds in values],
        high=[max(seeds) for seeds in values],
        n=len(by_run),
    )


def curves(table: Table, records: Sequence[Record]) -> Drawn | Absent:
    """Draw the curves of every row that has a complete run."""
    runs: dict[str, list[Record]] = {row.label: [] for row in table.rows}
    for record in records:
        if record.state == "complete":
            runs[record.row].append(record)
    found = {label: (curve(done, LOSS), curve(done, table.metric.name)) for label, done in runs.items() if done}
    if not found:
        return Absent("no run is complete yet")
    noun = table.metric.label.removesuffix(" (%)")
    none = [label for label, done in runs.items() if not done]
    counts = [test.n for _, test in found.values()]
    figure, cut = pairs(table, found)
    return Drawn(
        name="curves",
        title=f"Training loss and {noun} by epoch",
        figure=figure,
        alt=f"Learning curves, mean over seeds. {titled(noun)} after the first, the middle and the last epoch: "
        + " ".join(f"{label}: {_told(test)}, n = {test.n}." for label, (_, test) in found.items()),
        caption="Lines: the mean over the complete runs of a row, in the key from the uppermost at the last epoch to "
        f"the lowest; bands: from the least to the greatest of them. n = {count_range(counts)} seeds. "
        f"Left: training loss; right: {noun} on the test set after each epoch (only the last one's is the reported "
        "figure)."
        + (" The first fifth of the epochs may lie beyond the frame at the right." if cut else "")
        + (f" No complete run: {', '.join(none)}." if none else ""),
    )


def _told(test: Curve) -> str:
    if not test.mean:
        return "not recorded"
    return ", ".join(number(test.mean[at]) for at in sorted({0, (len(test.mean) - 1) // 2, len(test.mean) - 1}))


def chunks(table: Table, found: Mapping[str, tuple[Curve, Curve]]) -> list[list[str]]:
    """Return the rows that share axes: at most `TOGETHER` of one panel, and its baseline first where it has run."""
    parts = []
    for baseline in table.baselines:
        lead = [baseline] if baseline in found else []
        rows = [row.label for row in table.rows if row.baseline == baseline and row.label != baseline]
        rows = [label for label in rows if label in found]
        for start in range(0, max(len(rows), 1), TOGETHER):
            parts.append(lead + rows[start : start + TOGETHER])
    return [part for part in parts if part]


@drawn_in(TEXT)
def pairs(table: Table, found: Mapping[str, tuple[Curve, Curve]]) -> tuple[Figure, bool]:
    """Draw a pair of axes for each chunk; say besides whether early epochs lie beyond some frame."""
    parts = chunks(table, found)
    several = len(table.baselines) > 1
    rows = {row.label: row for row in table.rows}
    texts = {label: folded(brief(within_panel(row) if several else label)) for label, row in rows.items()}
    figure = Figure(figsize=(PAGE, HEIGHT * len(parts)))
    axes = figure.subplots(len(parts), 2, squeeze=False)
    cut = False
    for (left, right), labels in zip(axes, parts, strict=True):
        ends: list[tuple[float, Line2D, str]] = []
        for place, label in enumerate(labels):
            loss, test = found[label]
            _line(left, loss, place, f"_loss {label}")
            line = _line(right, test, place, f"_test {label}")
            ends.append((test.mean[-1] if test.mean else -math.inf, line, texts[label]))
        cut |= _framed(right, [found[label][1] for label in labels], table.metric)
        ends.sort(key=lambda end: end[0], reverse=True)
        key = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5), "frameon": False, "handlelength": 2.5}
        right.legend([line for _, line, _ in ends], [text for _, _, text in ends], **key)
        if several:
            left.set_title(rows[labels[0]].baseline, loc="left", weight="bold")
        left.set_ylabel("training loss")
        right.set_ylabel(table.metric.label)
        for one in (left, right):
            one.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
            one.set_xlabel("epoch")
    return settled(figure), cut


def _line(axes: Axes, one: Curve, place: int, name: str) -> Line2D:
    every = max(1, len(one.epochs) // 6)
    look = mark(place)
    if one.n > 1:
        axes.fill_between(one.epochs, one.low, one.high, color=look.colour, alpha=0.15, linewidth=0)
    (line,) = axes.plot(
        one.epochs,
        one.mean,
        markevery=(place * every // (TOGETHER + 1), every),
        label=name,
        color=look.colour,
        linestyle=look.line,
        linewidth=1.2,
        marker=look.marker,
        markersize=3.2,
        markeredgecolor=INK,
        markeredgewidth=0.4,
    )
    return line


def _framed(axes: Axes, shown: Sequence[Curve], metric: Metric) -> bool:
    """Let the frame show all later epochs, and earlier ones as far as they fit."""
    later = [value for one in shown for side in (one.low, one.high) for value in side[int(SETTLING * len(side)) :]]
    every = [value for one in shown for side in (one.low, one.high) for value in side]
    if not every:
        return False
    least, most = min(later), max(later)
    margin = 0.05 * (most - least) or 0.5
    axes.set_ylim(least - margin, most + margin)
    return min(every) < least - margin if metric.higher_is_better else max(every) > most + margin
