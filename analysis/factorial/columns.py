"""A study's factors as columns to print: analysis of variance, marginal means, contrasts, trends, importance."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Final

from analysis.factorial.factors import Factor, answer
from analysis.formats.columns import Column, heading, p_text, signed
from analysis.formats.legend import FAILED
from analysis.statistics.anova import SEEDS
from analysis.statistics.factorial import Factorial
from analysis.statistics.paired import PairedDifference
from lightning_bam.config import Metric
from studies.definition.study import Study
from studies.search.importance import LEAST_RUNS

MARGINAL: Final = (
    "Estimated marginal means: of the additive model (all factors, and the seeds), equal weights over the other "
    "factors' levels"
)

PER: Final = {"doubling": "×2", "unit": "+1"}
"""What a slope is per, in short."""


def tables(parts: Factorial | None, factors: Sequence[Factor], study: Study) -> list[tuple[str, list[Column]]]:
    """Return the tables that have a line, each with its title."""
    found = [("Contrasts between levels", contrast_columns(factors, study)), ("Trends", trend_columns(factors, study))]
    if parts is not None:
        variance = ("Analysis of variance", anova_columns(parts))
        means = ("Estimated marginal means", level_columns(parts, study.scale))
        found = [variance, means, *found, ("Importance", importance_columns(parts))]
    return [(title, columns) for title, columns in found if columns and columns[0].cells]


def anova_columns(parts: Factorial) -> list[Column]:
    """Return the analysis of variance, a line a source; empty cells for what the residual does not have."""
    lines = parts.anova
    return [
        Column(heading="source", kind="label", cells=[line.name for line in lines]),
        Column(heading="df", kind="number", cells=[f"{line.df:g}" for line in lines]),
        Column(heading="sum of squares", kind="number", cells=[f"{line.sum_of_squares:.3f}" for line in lines]),
        Column(heading="F", kind="number", cells=[_or_empty(line.f, ".2f") for line in lines]),
        Column(heading="p", kind="number", cells=[p_text(line.p) for line in lines]),
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


def contrast_columns(factors: Sequence[Factor], study: Study) -> list[Column]:
    """Return the contrasts, a line every two levels of a factor; no columns without one."""
    lines = [(factor.name, contrast) for factor in factors for contrast in factor.contrasts]
    if not lines:
        return []
    answers = [answer(contrast, study) for _, contrast in lines]
    return [
        Column(heading="factor", kind="label", cells=[name for name, _ in lines]),
        Column(heading="levels", kind="label", cells=[f"{one.level} − {one.other}" for _, one in lines]),
        *_difference_columns("Δ", [contrast.difference for _, contrast in lines]),
        Column(heading="p", kind="number", cells=[p_text(contrast.p_adjusted) for _, contrast in lines]),
        Column(heading="verdict", kind="label", cells=answers),
    ]


def trend_columns(factors: Sequence[Factor], study: Study) -> list[Column]:
    """Return the trends, a line a factor whose levels are numbers; no columns without one."""
    lines = [(factor.name, factor.trend) for factor in factors if factor.trend]
    if not lines:
        return []
    slopes = [trend.slope for _, trend in lines]
    return [
        Column(heading="factor", kind="label", cells=[name for name, _ in lines]),
        Column(heading="levels", kind="label", cells=[", ".join(f"{x:g}" for x in trend.levels) for _, trend in lines]),
        *_difference_columns("slope", slopes),
        Column(heading="per", kind="label", cells=[PER[trend.per] for _, trend in lines]),
        Column(heading="p", kind="number", cells=[p_text(slope.p) if slope else "" for slope in slopes]),
        Column(heading="larger is", kind="label", cells=[answer(trend, study) for _, trend in lines]),
    ]


def _difference_columns(name: str, found: Sequence[PairedDifference | None]) -> list[Column]:
    spans = [f"[{signed(one.low)}, {signed(one.high)}]" if one and not math.isnan(one.low) else "" for one in found]
    return [
        Column(heading=name, kind="number", cells=[signed(one.mean) if one else "" for one in found]),
        Column(heading="95 % interval", kind="number", cells=spans),
        Column(heading="n", kind="number", cells=[str(one.n if one else 0) for one in found]),
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


def explained(parts: Factorial | None, factors: Sequence[Factor], study: Study) -> list[str]:
    """Say how to read all of it, and which cells and rows are missing."""
    ruled = study.stopping is not None
    rule = "Seeds follow a stopping rule, and nothing here is adjusted for its looks: conclude from the table."
    return [
        *(_explained(parts) if parts else ()),
        *_compared(factors, study.scale),
        *([rule] if ruled else []),
        *(_missing(parts) if parts else ()),
    ]


def _explained(parts: Factorial) -> list[str]:
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
    return [
        f"Analysis of variance: {variance}",
        f"{MARGINAL}; intervals are for comparing levels over these seeds.{across}",
        f"Importance: {importance}",
    ]


def _compared(factors: Sequence[Factor], metric: Metric) -> list[str]:
    """Explain contrasts and trends."""
    lines = []
    alone = "in rows that differ in that factor alone, seed by seed"
    if any(factor.contrasts for factor in factors):
        lines.append(
            f"Contrasts: the first level less the second in {metric.difference}, {alone}, with a paired t-test over n "
            "seeds; p and intervals are adjusted for all pairs of the factor's levels, also those not shown "
            "(Bonferroni)."
        )
    if any(factor.trend for factor in factors):
        lines.append(
            f"Trends: the slope in {metric.difference} per doubling of the level (×2), or per unit (+1) where they "
            f"are spaced more evenly so, {alone}, with a t-test over n seeds; each by itself. "
            "A slope shows no best level in between."
        )
    against = [contrast.p_failed for factor in factors for contrast in factor.contrasts]
    against += [factor.trend.p_failed for factor in factors if factor.trend]
    return lines if all(map(math.isnan, against)) else [*lines, FAILED]


def _missing(parts: Factorial) -> list[str]:
    return [
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
