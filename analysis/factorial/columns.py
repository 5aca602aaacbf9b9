"""A factorial study taken apart, as columns to print: analysis of variance, marginal means, importance."""

import math
from itertools import combinations
from typing import Final

from analysis.formats.columns import Column, heading
from analysis.statistics.anova import SEEDS
from analysis.statistics.factorial import Factorial
from lightning_bam.config import Metric
from studies.search.importance import LEAST_RUNS

MARGINAL: Final = (
    "Estimated marginal means: of the additive model (all factors, and the seeds), equal weights over the other "
    "factors' levels"
)


def anova_columns(parts: Factorial) -> list[Column]:
    """Return the analysis of variance, a line a source; empty cells for what the residual does not have."""
    lines = parts.anova
    return [
        Column(heading="source", kind="label", cells=[line.name for line in lines]),
        Column(heading="df", kind="number", cells=[f"{line.df:g}" for line in lines]),
        Column(heading="sum of squares", kind="number", cells=[f"{line.sum_of_squares:.3f}" for line in lines]),
        Column(heading="F", kind="number", cells=[_or_empty(line.f, ".2f") for line in lines]),
        Column(heading="p", kind="number", cells=["<0.001" if line.p < 0.001 else _or_empty(line.p) for line in lines]),
        Column(heading="partial η²", kind="number", cells=[_or_empty(line.share) for line in lines]),
    ]


def level_columns(parts: Factorial, metric: Metric) -> list[Column]:
    """Return the estimated marginal means, a line a level of a factor."""
    lines = parts.levels
    spans = ["" if math.isnan(line.low) else f"[{line.low:.2f}, {line.high:.2f}]" for line in lines]
    return [
        Column(heading="factor", kind="label", cells=[line.factor for line in lines]),
        Column(heading="level", kind="label", cells=[line.level for line in lines]),
        Column(heading="runs", kind="number", cells=[str(line.n) for line in lines]),
        Column(heading=heading(metric), kind="number", cells=[_or_empty(line.mean, ".2f") for line in lines]),
        Column(heading="95 % interval", kind="number", cells=spans),
    ]


def importance_columns(parts: Factorial) -> list[Column]:
    """Return each factor's share by each evaluator; no columns where there were too few runs for one."""
    if not parts.importance:
        return []
    shares = [
        Column(heading=name, kind="number", cells=[f"{of.get(factor, 0.0):.2f}" for factor in parts.factors])
        for name, of in parts.importance.items()
    ]
    return [Column(heading="factor", kind="label", cells=list(parts.factors)), *shares]


def explained(parts: Factorial, *, looks: bool) -> list[str]:
    """Say how to read them, and which cells and rows are missing; `looks`: a stopping rule gives the seeds."""
    across = " Across gaps, the factors are taken not to interact." if parts.gaps else ""
    variance = "none, since the runs leave nothing for a residual."
    if parts.anova:
        variance = (
            f"type II, {_model(parts)}; p is not adjusted. Partial η²: what a source explains of what it and the "
            "residual leave."
        )
    runs = sum(level.n for level in parts.levels if level.factor == next(iter(parts.factors)))
    importance = "none, since so many runs are equally good that the best are all of them."
    if parts.importance:
        importance = "each factor's share by Optuna's evaluators, a cross-check of the variance explained."
    elif runs < LEAST_RUNS:
        importance = f"none, since it takes {LEAST_RUNS} runs or more and these are {runs}."
    rule = "Seeds follow a stopping rule, and nothing here is adjusted for its looks: conclude from the table."
    return [
        f"Analysis of variance: {variance}",
        f"{MARGINAL}; intervals are for comparing levels over these seeds.{across}",
        f"Importance: {importance}",
        *([rule] if looks else []),
        *(f"{line} Both count here, as if each had figures of its own." for line in parts.alike),
        *(f"Gap: {gap}." for gap in parts.gaps),
        *(f"Left out: {line}." for line in left_out(parts)),
    ]


def left_out(parts: Factorial) -> list[str]:
    """Say which rows are in no cell, and which knobs they lack; those that lack the same in one line."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for row, missing in parts.left_out.items():
        rows.setdefault(missing, []).append(row)
    return [
        f"row{'s' if len(of) > 1 else ''} {', '.join(map(repr, of))}, without {', '.join(missing)}"
        for missing, of in rows.items()
    ]


def _model(parts: Factorial) -> str:
    """Say what the analysis of variance was fitted with."""
    blocks = "seeds as blocks, " if any(line.name == SEEDS for line in parts.anova) else ""
    if not parts.tested:
        return f"{blocks}factors alone, since these runs cannot tell their interactions from the residual"
    if len(parts.factors) == 2:
        return f"{blocks}with the interaction of the two factors"
    missing = [" x ".join(pair) for pair in combinations(parts.factors, 2) if pair not in parts.tested]
    but = f" (but {', '.join(missing)}, which these runs cannot tell)" if missing else ""
    return f"{blocks}interactions of two factors{but}, those of more in the residual"


def _or_empty(value: float, form: str = ".3f") -> str:
    return "" if math.isnan(value) else f"{value:{form}}"
