"""A search as figures: its trials in their order, what each knob matters, and the front of error against cost."""

import textwrap
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.plots.plot import NoPlot, Picture, Plot, freeze_layout, legend_below, noun, number
from analysis.plots.style import AMBER, BLUE, FAINT, GREY, INK, ORANGE, PAGE, PAPER, SKY, mark, styled
from lightning_bam.config import Metric
from studies.search.begun import Begun
from studies.search.confirm import row_labels
from studies.search.importance import LEAST_RUNS, importance_in
from studies.search.run_search import best
from studies.search.trials import counted

LEAST: Final = 2
"""Fewer complete trials than this make no figure."""
NAMED: Final = 8
"""Configurations of a front that its key names, the best first."""
LINE: Final = 50
"""Characters of a line of that key."""
EDGE: Final[dict[str, Any]] = {"markeredgecolor": INK, "markeredgewidth": 0.5}
FRONT: Final[dict[str, Any]] = {"color": GREY, "linestyle": (0, (4, 2)), "drawstyle": "steps-post", "linewidth": 1}
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "complete": {"marker": "o", "color": SKY, "linestyle": "", "markersize": 4} | EDGE,
    "best until then": {"color": ORANGE, "drawstyle": "steps-post", "linewidth": 1.2, "zorder": 1.5},
    "pruned": {"marker": "x", "color": GREY, "linestyle": "", "markersize": 4},
    "pruned, beyond the frame": {"marker": "^", "color": GREY, "linestyle": "", "markersize": 4, "clip_on": False},
}
"""What a history shows, and how it is drawn."""
EVALUATORS: Final[dict[str, dict[str, Any]]] = {
    "fANOVA": {"marker": "o", "color": BLUE, "linestyle": "", "markersize": 5} | EDGE,
    "PED-ANOVA": {"marker": "D", "color": AMBER, "linestyle": "", "markersize": 4.5} | EDGE,
}
"""Evaluators of importance, and how they are drawn."""


def search_plots(search: Begun) -> Iterator[tuple[str, Plot | NoPlot]]:
    """Yield each figure of a search, or why it has nothing to show, by name; a front where it has two objectives."""
    yield "history", history(search)
    yield "importance", importance(search)
    if len(search.optuna.directions) > 1:
        yield "front", front(search)


def _complete(search: Begun) -> list[Any]:
    return [trial for trial in counted(search.optuna.get_trials(deepcopy=False)) if trial.state.name == "COMPLETE"]


def _too_few(count: int, wanted: int) -> NoPlot:
    return NoPlot(f"it takes {wanted} complete trials, and there {'is' if count == 1 else 'are'} {count or 'none'}")


def history(search: Begun) -> Plot | NoPlot:
    """Draw the held-out figure of each trial, and the best until then."""
    complete, pruned, others = dict[int, float](), dict[int, float](), 0
    for place, trial in enumerate(counted(search.optuna.get_trials(deepcopy=False)), 1):
        seen = trial.intermediate_values
        if trial.state.name == "COMPLETE":
            complete[place] = trial.values[0]
        elif trial.state.name == "PRUNED" and seen:
            pruned[place] = seen[max(seen)]
        else:
            others += 1
    if len(complete) < LEAST:
        return _too_few(len(complete), LEAST)
    steps = _best_until(complete, search.metric)
    last = max(steps)
    return Plot(
        name="history",
        title=f"Held-out {noun(search.metric)} over the trials of {search.label}",
        figure=trials(search.metric, complete, pruned, steps),
        alt=f"Held-out {noun(search.metric)} of {len(complete)} complete trials: the first "
        f"{number(complete[min(complete)])}, the best {number(steps[last])} at trial {last}; {len(pruned)} pruned, "
        f"{others} without a figure.",
        caption=f"A point is one of n = {len(complete)} complete trials, in the order in which they were asked for; "
        f"the line is the best until then. Crosses and arrows: {len(pruned)} pruned trials, at their last figure "
        f"before that. Without a figure (failed, or running): {others}. The best of many noisy figures is "
        "better than the same configuration will be again.",
    )


def _best_until(complete: Mapping[int, float], metric: Metric) -> dict[int, float]:
    """Return the trials that were better than all before, with their figures."""
    better = max if metric.higher_is_better else min
    steps: dict[int, float] = {}
    for place, figure in complete.items():
        known = [*steps.values()]
        if not known or (figure != known[-1] and better(figure, known[-1]) == figure):
            steps[place] = figure
    return steps


@styled(PAPER)
def trials(
    metric: Metric, complete: Mapping[int, float], pruned: Mapping[int, float], steps: Mapping[int, float]
) -> Figure:
    """Draw the trials; the frame shows all complete ones, and an arrow at its edge stands for what lies beyond."""
    figure = Picture(figsize=(PAGE, 2.6))
    axes = figure.subplots()
    low, high = min(complete.values()), max(complete.values())
    slack = 0.08 * (high - low) or 0.5
    low, high, last = low - slack, high + slack, max((*complete, *pruned))
    axes.set_ylim(low, high)
    inside = {place: figure for place, figure in pruned.items() if low <= figure <= high}
    beyond = {place: low if figure < low else high for place, figure in pruned.items() if place not in inside}
    parts = (complete, {**steps, last: [*steps.values()][-1]}, inside, beyond)
    handles = []
    for (name, look), part in zip(LOOKS.items(), parts, strict=True):
        if part:
            axes.plot([*part], [*part.values()], label=f"_{name}", **look)
            handles.append(Line2D([], [], label=name, **look))
    axes.set_xlim(0.5 - 0.01 * last, last + 0.5 + 0.01 * last)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("trial")
    axes.set_ylabel(f"held-out {metric.label}")
    axes.grid(axis="y")
    legend_below(figure, handles)
    return freeze_layout(figure)


def importance(search: Begun) -> Plot | NoPlot:
    """Draw each knob's share of the importance, by each of Optuna's evaluators."""
    complete = _complete(search)
    if len(complete) < LEAST_RUNS:
        return _too_few(len(complete), LEAST_RUNS)
    shares = importance_in(complete, higher_is_better=search.metric.higher_is_better)
    if not shares:
        return NoPlot("so many trials are equally good that none stands out")
    told = {name: [of[name] for of in shares.values() if name in of] for name in search.space.choices}
    order = sorted((name for name, of in told.items() if of), key=lambda name: -fmean(told[name]))
    texts = [
        f"{evaluator}: {', '.join(f'{name} {share:.2f}' for name, share in of.items())}."
        for evaluator, of in shares.items()
    ]
    lacking = [name for name in search.space.choices if any(name not in of for of in shares.values())]
    return Plot(
        name="importance",
        title=f"Importance of the knobs of {search.label} for held-out {noun(search.metric)}",
        figure=dots(order, shares),
        alt=f"Each knob's share of the importance, from the greatest. {' '.join(texts)}",
        caption="fANOVA: how much of the variance of a random forest's predictions a knob explains by itself. "
        "PED-ANOVA: how differently the best trials are spread over a knob's values than all are. The "
        f"shares of each sum to 1; n = {len(complete)} complete trials."
        + (f" Not every trial has {', '.join(lacking)}: an evaluator may leave them out." if lacking else "")
        + " Neither tells noise from effect: among knobs that do nothing, some are more important.",
    )


@styled(PAPER)
def dots(order: list[str], shares: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw a line a knob, the most important at the top, with a point an evaluator."""
    figure = Picture(figsize=(PAGE, 0.9 + 0.22 * len(order)))
    axes = figure.subplots()
    for height in range(len(order)):
        axes.axhline(height, color=FAINT, linewidth=0.5, zorder=0)
    for name, look in EVALUATORS.items():
        heights = {height: shares[name][knob] for height, knob in enumerate(order) if knob in shares[name]}
        axes.plot([*heights.values()], [*heights], label=f"_{name}", clip_on=False, zorder=3, **look)
    axes.set_yticks(range(len(order)), order)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel("share of the importance")
    legend_below(figure, [Line2D([], [], label=name, **look) for name, look in EVALUATORS.items()])
    return freeze_layout(figure)


def front(search: Begun) -> Plot | NoPlot:
    """Draw the held-out figure of each configuration against its multiply-accumulates, and the Pareto front."""
    complete = _complete(search)
    if len(complete) < LEAST:
        return _too_few(len(complete), LEAST)
    ends = best(search, search.trials)
    labels = row_labels(search.space, [search.space.configuration(trial.params) for trial in ends])
    scale, unit = (1e9, "G") if max(trial.values[1] for trial in complete) >= 1e8 else (1e6, "M")
    points = [(trial.values[1] / scale, trial.values[0]) for trial in ends]
    texts = [
        f"{label}: {figure:.2f} at {number(macs)} {unit}" for label, (macs, figure) in zip(labels, points, strict=True)
    ]
    return Plot(
        name="front",
        title=f"Held-out {noun(search.metric)} against multiply-accumulates in {search.label}",
        figure=scatter(
            search.metric,
            [(trial.values[1] / scale, trial.values[0]) for trial in complete],
            dict(zip(labels, points, strict=True)),
            unit,
        ),
        alt=f"Held-out {search.metric.label} against multiply-accumulates (MACs) of one image. On the front: "
        f"{'; '.join(texts)}.",
        caption=f"n = {len(complete)} complete trials. The dashed line is the Pareto front: no trial that costs as "
        f"little is {'higher' if search.metric.higher_is_better else 'lower'}. It knows nothing of noise, and with "
        "other seeds its points may change places." + (f" Named are the best {NAMED}." if len(ends) > NAMED else ""),
    )


@styled(PAPER)
def scatter(
    metric: Metric, complete: list[tuple[float, float]], named: Mapping[str, tuple[float, float]], unit: str
) -> Figure:
    """Draw all trials, and those on the front with marks of their own, over a key of the best."""
    looks = [mark(place) | {"linestyle": "", "markersize": 5} for place in range(NAMED)]
    key = {label: textwrap.fill(label, LINE) for label in [*named][:NAMED]}
    lines = -(-len(key) // 2) * max(1 + text.count("\n") for text in key.values())
    figure = Picture(figsize=(PAGE, 2.5 + 0.14 * lines))
    axes = figure.subplots()
    axes.plot(*zip(*complete, strict=True), "o", color=FAINT, markersize=4, label="_complete", **EDGE)
    line = sorted(named.values())
    axes.plot(*zip(*line, strict=True), label="_front", **FRONT)
    handles = []
    for look, (label, text) in zip(looks, key.items(), strict=False):
        axes.plot(*([at] for at in named[label]), zorder=3, label=f"_named {label}", **look)
        handles.append(Line2D([], [], label=text, **look))
    _frame(axes, metric, unit)
    legend_below(figure, handles, 2)
    return freeze_layout(figure)


def _frame(axes: Axes, metric: Metric, unit: str) -> None:
    axes.grid()
    axes.set_xlabel(f"multiply-accumulates of one image ({unit})")
    axes.set_ylabel(f"held-out {metric.label}")
