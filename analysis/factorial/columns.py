"""A factorial study taken apart, as columns to print: analysis of variance, marginal means, importance."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Final

from analysis.formats.columns import Column, heading
from analysis.statistics.anova import SEEDS, Source
from analysis.statistics.factorial import Factorial
from lightning_bam.run_folder.result import Metric
from studies.search.importance import LEAST_RUNS

MARGINAL: Final = (
    "Estimated marginal means: of the additive model (all factors, and the seeds), equal weights over the other "
    "factors' levels"
)
"""What they are; it goes on."""


def anova_columns(found: Factorial) -> list[Column]:
    """Return the analysis of variance, a line a source; empty cells for what the residual does not have."""
    lines = found.anova
    return [
        Column(heading="source", kind="label", cells=[line.name for line in lines]),
        Column(heading="df", kind="number", cells=[f"{line.df:g}" for line in lines]),
        Column(heading="sum of squares", kind="number", cells=[f"{line.sum_of_squares:.3f}" for line in lines]),
        Column(heading="F", kind="number", cells=[_or_empty(line.f, ".2f") for line in lines]),
        Column(heading="p", kind="number", cells=[_p(line) for line in lines]),
        Column(heading="partial η²", kind="number", cells=[_or_empty(line.share, ".3f") for line in lines]),
    ]


def level_columns(found: Factorial, metric: Metric) -> list[Column]:
    """Return the estimated marginal means, a line a level of a factor."""
    lines = found.levels
    spans = ["" if math.isnan(line.low) else f"[{line.low:.2f}, {line.high:.2f}]" for line in lines]
    return [
        Column(heading="factor", kind="label", cells=[line.factor for line in lines]),
        Column(heading="level", kind="label", cells=[line.level for line in lines]),
        Column(heading="runs", kind="number", cells=[str(line.n) for line in lines]),
        Column(heading=heading(metric), kind="number", cells=[_or_empty(line.mean, ".2f") for line in lines]),
        Column(heading="95 % interval", kind="number", cells=spans),
    ]


def importance_columns(found: Factorial) -> list[Column]:
    """Return each factor's share by each evaluator; no columns where there were too few runs for one."""
    if not found.importance:
        return []
    return [
        Column(heading="factor", kind="label", cells=list(found.factors)),
        *(
            Column(heading=name, kind="number", cells=[f"{shares.get(factor, 0.0):.2f}" for factor in found.factors])
            for name, shares in found.importance.items()
        ),
    ]


def explained(found: Factorial, *, looks: bool) -> list[str]:
    """Say how to read them, which cells are missing or have fewer seeds than others, and which rows are in no cell.

    Args:
        found: what is explained.
        looks: whether a stopping rule decides after several looks how many seeds there are.

    """
    filled = " Across gaps, the factors are taken not to interact." if found.gaps else ""
    told = [
        f"Analysis of variance: type II, {_model(found)}; p is not adjusted. Partial η²: what a source explains of "
        "what it and the residual leave.",
        f"{MARGINAL}; intervals are for comparing levels over these seeds.{filled}",
    ]
    if not found.anova:
        told[0] = "Analysis of variance: none, since the runs leave nothing for a residual."
    if found.importance:
        told.append("Importance: each factor's share by Optuna's evaluators, a cross-check of the variance explained.")
    elif (runs := sum(level.n for level in found.levels if level.factor == next(iter(found.factors)))) < LEAST_RUNS:
        told.append(f"Importance: none, since it takes {LEAST_RUNS} runs or more and these are {runs}.")
    else:
        told.append("Importance: none, since so many runs are equally good that the best are all of them.")
    if looks:
        told.append(
            "Seeds follow a stopping rule, and nothing here is adjusted for its looks: conclude from the table."
        )
    told += [f"{line} Both count here, as if each had figures of its own." for line in found.alike]
    return told + [f"Gap: {gap}." for gap in found.gaps] + [f"Left out: {line}." for line in left_out(found)]


def left_out(found: Factorial) -> list[str]:
    """Say which rows are in no cell, and which knobs they lack; those that lack the same in one line."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for row, lacking in found.left_out.items():
        rows.setdefault(lacking, []).append(row)
    return [
        f"row{'s' if len(of) > 1 else ''} {', '.join(map(repr, of))}, without {', '.join(lacking)}"
        for lacking, of in rows.items()
    ]


def _model(found: Factorial) -> str:
    """Say what the analysis of variance was fitted with."""
    blocks = "seeds as blocks, " if any(line.name == SEEDS for line in found.anova) else ""
    if not found.tested:
        return f"{blocks}factors alone, since these runs cannot tell their interactions from the residual"
    if len(found.factors) == 2:
        return f"{blocks}with the interaction of the two factors"
    lacking = [" x ".join(pair) for pair in combinations(found.factors, 2) if pair not in found.tested]
    but = f" (but {', '.join(lacking)}, which these runs cannot tell)" if lacking else ""
    return f"{blocks}interactions of two factors{but}, those of more in the residual"


def _p(line: Source) -> str:
    if math.isnan(line.p):
        return ""
    return "<0.001" if line.p < 0.001 else f"{line.p:.3f}"


def _or_empty(value: float, form: str) -> str:
    return "" if math.isnan(value) else f"{value:{form}}"
