"""What a factorial study says of each factor, and of each pair of them."""

import math
import textwrap
from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.factorial.columns import MARGINAL, left_out
from analysis.plots.plot import NoPlot, Plot, axes_grid, count_range, freeze_layout, noun
from analysis.plots.style import COLUMN, INK, PAGE, PAPER, SMALL, mark, styled
from analysis.statistics.factorial import Factorial, Interaction, Level
from lightning_bam.config import Metric

ACROSS: Final = 4
"""Axes of marginal means beside each other, at most."""
PAIRS: Final = 3
"""Axes of interactions beside each other, at most."""
APART: Final = 0.08
"""Share of the way between two levels by which lines stand apart, so that no bar hides another."""
NARROW: Final = 10
"""Characters of a level's name on one line, unless a single word is longer."""
NOT_FACTORIAL: Final = NoPlot("no two factors are crossed by the finished rows")


def marginal(factorial: Factorial | None, metric: Metric) -> Plot | NoPlot:
    """Draw the marginal means, small axes for each factor."""
    if factorial is None:
        return NOT_FACTORIAL
    levels = [level for level in factorial.levels if not math.isnan(level.mean)]
    if not levels:
        return NoPlot("; ".join(factorial.gaps) or "none of its cells has a finished run yet")
    summaries = [
        f"{factor}: {', '.join(_summary(level) for level in levels if level.factor == factor) or 'none'}."
        for factor in factorial.factors
    ]
    return Plot(
        name="marginal",
        title=f"Marginal means of {noun(metric)}",
        figure=means(factorial, metric),
        alt=f"Estimated mean {noun(metric)} in percent at each level of each factor, with 95 % intervals. "
        + " ".join(summaries),
        caption=f"{MARGINAL}. Mean {noun(metric)} at each level of a factor, with its 95 % interval; n counts "
        "runs. The intervals leave out what all rows of a seed share: they serve to compare levels at these seeds, not "
        f"to foretell other seeds.{' Across gaps, the factors are taken not to interact.' if factorial.gaps else ''}"
        + _gaps(factorial),
    )


def _summary(level: Level) -> str:
    ends = "" if math.isnan(level.low) else f" [{level.low:.2f}, {level.high:.2f}]"
    return f"{level.level} {level.mean:.2f}{ends} (n = {level.n})"


def _gaps(factorial: Factorial) -> str:
    gaps = f" Gaps: {'; '.join(factorial.gaps)}." if factorial.gaps else ""
    return gaps + (f" Left out: {'; '.join(left_out(factorial))}." if factorial.left_out else "")


@styled(PAPER)
def means(factorial: Factorial, metric: Metric) -> Figure:
    """Draw the axes, as many beside each other as there are factors, with one scale."""
    figure, grid = _grid(factorial, len(factorial.factors), ACROSS, 2.1)
    for place, (axes, factor) in enumerate(zip(grid, factorial.factors, strict=True)):
        levels = [level for level in factorial.levels if level.factor == factor]
        for at, level in enumerate(levels):
            if not math.isnan(level.low):
                axes.plot([at, at], [level.low, level.high], color=INK, linewidth=1.2, label=f"_interval {level.level}")
            axes.plot([at], [level.mean], "o", color=INK, markersize=4.5, label=f"_mean {level.level}")
        equal = len({level.n for level in levels}) == 1
        _levels(axes, [_narrow(level.level) + ("" if equal else f"\n({level.n})") for level in levels])
        axes.set_xlabel(f"n = {levels[0].n} each" if equal else "(n)")
        axes.set_title(factor)
        if place % ACROSS == 0:
            axes.set_ylabel(metric.label)
    return freeze_layout(figure)


def interaction(factorial: Factorial | None, metric: Metric) -> Plot | NoPlot:
    """Draw each pair of factors: the levels of the first along the axis, a line a level of the second."""
    if factorial is None:
        return NOT_FACTORIAL
    pairs = [pair for pair in factorial.interactions if any(not math.isnan(mean) for mean in pair.means.values())]
    if not pairs:
        return NoPlot("none of its cells has a finished run yet")
    summaries = [
        f"{' by '.join(pair.factors)}: "
        + ", ".join(f"{a} and {b} {mean:.2f}" for (a, b), mean in pair.means.items() if not math.isnan(mean))
        + f" ({_counts(pair)})."
        for pair in pairs
    ]
    return Plot(
        name="interaction",
        title=f"Interactions in {noun(metric)}",
        figure=lines(factorial, pairs, metric),
        alt=f"Estimated mean {noun(metric)} in percent at each pair of levels of two factors. {' '.join(summaries)}",
        caption=f"Mean {noun(metric)} at each pair of levels, n runs a point, estimated by least squares on the pairs, "
        "the other factors and the seeds, so that missing runs favour none. Parallel lines: the effect of one factor "
        "is the same at each level of the other; lines that part or cross: it is not. Bars, where the runs allow them: "
        "95 % intervals by the residual of the analysis of variance, which says what interactions exceed the noise. "
        "They leave out what all rows of a seed share: they serve to compare pairs of levels at these seeds."
        + _gaps(factorial),
    )


def _counts(pair: Interaction) -> str:
    """Say how many runs are behind a point."""
    counts = [count for count in pair.counts.values() if count]
    return f"n = {count_range(counts)}" + (" each" if len(set(counts)) == 1 else "")


@styled(PAPER)
def lines(factorial: Factorial, pairs: Sequence[Interaction], metric: Metric) -> Figure:
    """Draw the axes of all pairs with one scale; each has a legend of its own below it."""
    most = max(len(factorial.factors[pair.factors[1]]) for pair in pairs)
    figure, grid = _grid(factorial, len(pairs), PAIRS, 2.3 + 0.16 * most)
    for place, (axes, pair) in enumerate(zip(grid, pairs, strict=True)):
        first, second = (factorial.factors[name] for name in pair.factors)
        for line, level in enumerate(second):
            look = mark(line)
            heights = [pair.means.get((one, level), math.nan) for one in first]
            halves = [pair.spans.get((one, level), math.nan) for one in first]
            xs = [at + APART * (line - (len(second) - 1) / 2) for at in range(len(first))]
            for x, mean, half in zip(xs, heights, halves, strict=True):
                if half > 0:
                    ends = [mean - half, mean + half]
                    axes.plot([x, x], ends, color=look["color"], linewidth=0.9, label=f"_interval {level}")
            axes.plot(xs, heights, linewidth=1.3, markersize=4.5, label=level, **look)
        _levels(axes, list(map(_narrow, first)))
        axes.set_title(_counts(pair))
        axes.set_xlabel(pair.factors[0])
        axes.legend(title=pair.factors[1], title_fontsize=SMALL, loc="upper center", bbox_to_anchor=(0.5, -0.3))
        if place % PAIRS == 0:
            axes.set_ylabel(metric.label)
    return freeze_layout(figure)


def _grid(factorial: Factorial, count: int, across: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure of `count` axes with one vertical scale: two columns wide for many, or for long words."""
    levels = [level for levels in factorial.factors.values() for level in levels]
    wide = any(len(line) > NARROW for level in levels for line in _narrow(level).split("\n"))
    width = COLUMN if count <= across // 2 and not wide else PAGE
    return axes_grid(count, across, width / min(across, count), height, sharey=True)


def _levels(axes: Axes, levels: Sequence[str]) -> None:
    axes.set_xticks(range(len(levels)), levels)
    axes.set_xlim(-0.5, len(levels) - 0.5)
    axes.grid(axis="y")


def _narrow(text: str) -> str:
    """Fold a level's name to lines of ten characters, where it has a space or `_`; a word stays whole."""
    lines = textwrap.wrap(text.replace("_", "_ "), NARROW, break_long_words=False, break_on_hyphens=False)
    return "\n".join(line.replace("_ ", "_") for line in lines)
