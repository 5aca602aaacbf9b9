"""What a factorial study says of each factor, and of each pair of them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.factorial.columns import MARGINAL, left_out
from analysis.plots.drawn import INK, Absent, Drawn, axes_grid, count_range, drawn_in, settled
from analysis.plots.palette import COLUMN, FAINT, PAGE, SMALL, TEXT, mark
from analysis.statistics.factorial import Factorial, Interaction, Level
from lightning_bam.run_folder.result import Metric

ACROSS: Final = 4
"""Axes of marginal means beside each other, at most."""
PAIRS: Final = 3
"""Axes of interactions beside each other, at most."""
BESIDE: Final = 0.08
"""Share of the way between two levels by which lines stand apart, so that no bar hides another."""
NARROW: Final = 10
"""Characters of a level's name on one line, unless a single word is longer."""
NOT_FACTORIAL: Final = Absent("no finished rows of one panel cross the levels of two factors or more")


def marginal(factorial: Factorial | None, metric: Metric) -> Drawn | Absent:
    """Draw the marginal means, small axes for each factor."""
    if factorial is None:
        return NOT_FACTORIAL
    known = [level for level in factorial.levels if not math.isnan(level.mean)]
    if not known:
        return Absent("; ".join(factorial.gaps) or "none of its cells has a finished run yet")
    noun = metric.label.removesuffix(" (%)")
    told = [
        f"{factor}: {', '.join(_told(level) for level in known if level.factor == factor) or 'none'}."
        for factor in factorial.factors
    ]
    return Drawn(
        name="marginal",
        title=f"Marginal means of {noun}",
        figure=means(factorial, metric),
        alt=f"Estimated mean {noun} in percent at each level of each factor, with 95 % intervals. " + " ".join(told),
        caption=f"{MARGINAL}. {noun[0].upper()}{noun[1:]} at each level of a factor, with its 95 % interval; n counts "
        "runs. The intervals leave out what all rows of a seed share: they serve to compare levels at these seeds, not "
        f"to foretell other seeds.{' Across gaps, the factors are taken not to interact.' if factorial.gaps else ''}"
        + _lacking(factorial),
    )


def _told(level: Level) -> str:
    span = "" if math.isnan(level.low) else f" [{level.low:.2f}, {level.high:.2f}]"
    return f"{level.level} {level.mean:.2f}{span} (n = {level.n})"


def _lacking(factorial: Factorial) -> str:
    gaps = f" Gaps: {'; '.join(factorial.gaps)}." if factorial.gaps else ""
    return gaps + (f" Left out: {'; '.join(left_out(factorial))}." if factorial.left_out else "")


@drawn_in(TEXT)
def means(factorial: Factorial, metric: Metric) -> Figure:
    """Draw the axes, as many beside each other as there are factors, with one scale."""
    factors = list(factorial.factors)
    figure, grid = _grid(factorial, len(factors), ACROSS, 2.1)
    for place, (axes, factor) in enumerate(zip(grid, factors, strict=False)):
        levels = [level for level in factorial.levels if level.factor == factor]
        for at, level in enumerate(levels):
            if not math.isnan(level.low):
                axes.plot([at, at], [level.low, level.high], color=INK, linewidth=1.2, label=f"_interval {level.level}")
            axes.plot([at], [level.mean], "o", color=INK, markersize=4.5, label=f"_mean {level.level}")
        same = len({level.n for level in levels}) == 1
        texts = [_narrow(level.level) + ("" if same else f"\n({level.n})") for level in levels]
        axes.set_xticks(range(len(levels)), texts)
        axes.set_xlabel(f"n = {levels[0].n} each" if same else "(n)")
        _dressed(axes, len(levels), factor)
        if place % ACROSS == 0:
            axes.set_ylabel(metric.label)
    return settled(figure)


def interaction(factorial: Factorial | None, metric: Metric) -> Drawn | Absent:
    """Draw each pair of factors: the levels of the first along the axis, a line a level of the second."""
    if factorial is None:
        return NOT_FACTORIAL
    pairs = [pair for pair in factorial.interactions if any(not math.isnan(mean) for mean in pair.means.values())]
    if not pairs:
        return Absent("none of its cells has a finished run yet")
    noun = metric.label.removesuffix(" (%)")
    told = [
        f"{' by '.join(pair.factors)}: "
        + ", ".join(f"{a} and {b} {mean:.2f}" for (a, b), mean in pair.means.items() if not math.isnan(mean))
        + f" ({_counted(pair)})."
        for pair in pairs
    ]
    noise = (
        "the analysis of variance says which interactions exceed the noise"
        if factorial.tested
        else "these runs cannot tell interactions from the noise"
    )
    spread = any(span > 0 for pair in pairs for span in pair.spans.values())
    bars = (
        "Bars: 95 % intervals of the means at these seeds, by the residual of the analysis of variance"
        if spread
        else "No interval is drawn"
    )
    return Drawn(
        name="interaction",
        title=f"Interactions in {noun}",
        figure=lines(factorial, pairs, metric),
        alt=f"Mean {noun} in percent at each pair of levels of two factors. " + " ".join(told),
        caption=f"Mean {noun} at each pair of levels, n runs a point. Parallel lines: the effect of one factor "
        f"is the same at each level of the other; lines that part or cross: it is not. {bars}; {noise}."
        + _lacking(factorial),
    )


def _counted(pair: Interaction) -> str:
    """Say how many runs are behind a point, and what its bar is."""
    counts = [count for count in pair.counts.values() if count]
    n = f"n = {count_range(counts)}" + (" each" if len(set(counts)) == 1 else "")
    return n + (", 95 % intervals" if any(span > 0 for span in pair.spans.values()) else "")


@drawn_in(TEXT)
def lines(factorial: Factorial, pairs: Sequence[Interaction], metric: Metric) -> Figure:
    """Draw the axes of all pairs with one scale; each has a legend of its own below it."""
    most = max(len(factorial.factors[pair.factors[1]]) for pair in pairs)
    figure, grid = _grid(factorial, len(pairs), PAIRS, 2.3 + 0.16 * most)
    for place, (axes, pair) in enumerate(zip(grid, pairs, strict=False)):
        first, second = (factorial.factors[name] for name in pair.factors)
        for line, level in enumerate(second):
            look = mark(line)
            xs = [at + BESIDE * (line - (len(second) - 1) / 2) for at in range(len(first))]
            for x, mean, span in zip(xs, *_bars(pair, first, level), strict=True):
                if span > 0:
                    axes.plot(
                        [x, x], [mean - span, mean + span], color=look.colour, linewidth=0.9, label=f"_interval {level}"
                    )
            axes.plot(
                xs,
                [pair.means.get((at, level), math.nan) for at in first],
                color=look.colour,
                linestyle=look.line,
                marker=look.marker,
                linewidth=1.3,
                markersize=4.5,
                markeredgecolor=INK,
                markeredgewidth=0.5,
                label=level,
            )
        axes.set_xticks(range(len(first)), [_narrow(level) for level in first])
        _dressed(axes, len(first), _counted(pair))
        axes.set_xlabel(pair.factors[0])
        axes.legend(
            title=pair.factors[1], title_fontsize=SMALL, loc="upper center", bbox_to_anchor=(0.5, -0.3), frameon=False
        )
        if place % PAIRS == 0:
            axes.set_ylabel(metric.label)
    return settled(figure)


def _bars(pair: Interaction, first: Sequence[str], level: str) -> tuple[list[float], list[float]]:
    """Return the means along one line, and half the widths of their intervals; NaN where there is none."""
    cells = [(at, level) for at in first]
    return [pair.means.get(cell, math.nan) for cell in cells], [pair.spans.get(cell, math.nan) for cell in cells]


def _grid(factorial: Factorial, count: int, across: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` axes with one vertical scale.

    It is one column of a paper wide for one or two of them, two columns for more, or where words are long.
    """
    wide = any(len(line) > NARROW for of in factorial.factors.values() for at in of for line in _narrow(at).split("\n"))
    width = COLUMN if count <= across // 2 and not wide else PAGE
    return axes_grid(count, across, width / min(across, count), height, sharey=True)


def _dressed(axes: Axes, levels: int, title: str) -> None:
    axes.set_xlim(-0.5, levels - 0.5)
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_title(title)


def _narrow(text: str) -> str:
    """Fold a level's name to lines of ten characters, where it has a space or `_`; a word stays whole."""
    lines = [""]
    for piece in re.findall(r"[^ _]*[ _]|[^ _]+", text):
        if lines[-1] and len((lines[-1] + piece).rstrip()) > NARROW:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)
