"""Learning curves: training loss and test figure by epoch, a line a row, with a band over the seeds."""

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.formats.blocks import titled
from analysis.plots.ladder import LONGEST, folded, within_panel
from analysis.plots.plot import NoPlot, Picture, Plot, count_range, freeze_layout, noun, number
from analysis.plots.style import PAGE, PAPER, mark, styled
from analysis.table.build import Table
from studies.records.records import Record

ROWS: Final = 6
"""Rows besides the baseline that share axes; the others have axes of their own, with the baseline again."""
WARMUP: Final = 0.2
"""Share of the epochs, from the first, that need not lie within the frame of the test figure."""
LOSS: Final = "train_loss"


def curve(records: Sequence[Record], name: str) -> pd.DataFrame:
    """Return `mean`, `min` and `max` over the runs of what they recorded as `name`, by epoch, where all of them did."""
    runs = [{int(line["epoch"]) + 1: float(line[name]) for line in run.metrics if name in line} for run in records]
    frame = pd.DataFrame([pd.Series(run, dtype=float) for run in runs]).dropna(axis="columns")
    return pd.DataFrame({"mean": frame.mean(), "min": frame.min(), "max": frame.max()}).sort_index()


def curves(table: Table, records: Sequence[Record]) -> Plot | NoPlot:
    """Draw the curves of every row that has a complete run."""
    runs: dict[str, list[Record]] = {row.label: [] for row in table.rows}
    for record in records:
        if record.state == "complete":
            runs[record.row].append(record)
    lines = {row: (curve(done, LOSS), curve(done, table.metric.name)) for row, done in runs.items() if done}
    if not lines:
        return NoPlot("no run is complete yet")
    absent = ", ".join(row for row, done in runs.items() if not done)
    return Plot(
        name="curves",
        title=f"Training loss and {noun(table.metric)} by epoch",
        figure=pairs(table, lines),
        alt=f"Learning curves, mean over seeds. {titled(noun(table.metric))} after the first, the middle and the last "
        f"epoch: {' '.join(f'{row}: {_summary(test)}, n = {len(runs[row])}.' for row, (_, test) in lines.items())}",
        caption="Lines: the mean over the complete runs of a row, in the key from the uppermost at the last epoch to "
        "the lowest; bands: from the least to the greatest of them. "
        f"n = {count_range([len(done) for done in runs.values() if done])} seeds. Left: training loss; right: "
        f"{noun(table.metric)} on the test set after each epoch (only the last one's is the reported figure), whose "
        "first fifth of the epochs may lie beyond the frame." + (f" No complete run: {absent}." if absent else ""),
    )


def _summary(test: pd.DataFrame) -> str:
    last = len(test) - 1
    return ", ".join(number(test["mean"].iloc[at]) for at in sorted({0, last // 2, last})) if last >= 0 else "no figure"


def chunks(table: Table, lines: Mapping[str, object]) -> list[list[str]]:
    """Return the rows that share axes: at most `ROWS` of one panel, and its baseline first where it has run."""
    parts = []
    for baseline in table.baselines:
        lead = [baseline] if baseline in lines else []
        rows = [row.label for row in table.rows if row.baseline == baseline != row.label and row.label in lines]
        parts += [lead + rows[start : start + ROWS] for start in range(0, max(len(rows), 1), ROWS)]
    return [part for part in parts if part]


@styled(PAPER)
def pairs(table: Table, lines: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]) -> Figure:
    """Draw a pair of axes for each chunk."""
    parts = chunks(table, lines)
    several = len(table.baselines) > 1
    rows = {row.label: row for row in table.rows}
    figure = Picture(figsize=(PAGE, 2.3 * len(parts)))
    axes = figure.subplots(len(parts), 2, squeeze=False)
    for (left, right), labels in zip(axes, parts, strict=True):
        ends = {}
        for place, label in enumerate(labels):
            loss, test = lines[label]
            _line(left, loss, place, f"_loss {label}")
            line = _line(right, test, place, f"_test {label}")
            ends[label] = (line, test["mean"].iloc[-1] if len(test) else -1.0)
        _frame(right, [lines[label][1] for label in labels])
        order = sorted(labels, key=lambda label: ends[label][1], reverse=True)
        texts = [folded(within_panel(rows[label]) if several else label, 2 * LONGEST) for label in order]
        key = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5), "handlelength": 2.5}
        right.legend([ends[label][0] for label in order], texts, **key)
        if several:
            left.set_title(rows[labels[0]].baseline, loc="left", weight="bold")
        left.set_ylabel("training loss")
        right.set_ylabel(table.metric.label)
        for one in (left, right):
            one.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
            one.set_xlabel("epoch")
    return freeze_layout(figure)


def _line(axes: Axes, values: pd.DataFrame, place: int, name: str) -> Line2D:
    look = mark(place) | {"linewidth": 1.2, "markersize": 3.2, "markeredgewidth": 0.4}
    axes.fill_between(values.index, values["min"], values["max"], color=look["color"], alpha=0.15, linewidth=0)
    every = max(1, len(values) // 6)
    first = place * every // (ROWS + 1)  # so that marks of different rows stand at different epochs
    (line,) = axes.plot(values.index, values["mean"], label=name, markevery=(first, every), **look)
    return line


def _frame(axes: Axes, tests: Sequence[pd.DataFrame]) -> None:
    """Let the frame show all later epochs, and earlier ones as far as they fit."""
    later = pd.concat([test[["min", "max"]].iloc[int(WARMUP * len(test)) :] for test in tests])
    if len(later):
        least, most = later.min().min(), later.max().max()
        margin = 0.05 * (most - least) or 0.5
        axes.set_ylim(least - margin, most + margin)
