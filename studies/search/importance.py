"""Which factors matter most, as Optuna's evaluators see it: a cross-check of the analysis of variance."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LEAST_RUNS = 20
"""Fewer runs than this tell no importance."""

BEST_RUNS = 5
"""PED-ANOVA asks what sets the best runs apart; Optuna advises at least so many of them."""


def importance(
    levels: Sequence[Mapping[str, str]], figures: Sequence[float], *, higher_is_better: bool = False, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Return evaluator -> factor -> its share of importance, from the greatest; the shares of an evaluator sum to 1.

    `levels` has factor -> level and `figures` the figure of each run; `seed` is the random forest's. Nothing for fewer
    than 20 runs, and where so many runs are equally good that the best are all runs.

    `PED-ANOVA` (Watanabe, Bansal and Hutter, 2023) says how differently the best tenth of the runs (but at least 5 of
    them) is spread over a factor's levels than all runs are. `fANOVA` (Hutter, Hoos and Leyton-Brown, 2014) says how
    much of the variance of a random forest's predictions a factor explains by itself. Neither tells noise from effect
    nor knows about seeds: among factors that do nothing, some are more important.
    """
    if len(figures) < LEAST_RUNS:
        return {}
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution

    choices: dict[str, BaseDistribution] = {
        name: CategoricalDistribution(tuple({run[name]: None for run in levels})) for name in levels[0]
    }
    trials = [
        optuna.create_trial(params=dict(run), distributions=choices, value=figure)
        for run, figure in zip(levels, figures, strict=True)
    ]
    return importance_in(trials, higher_is_better=higher_is_better, seed=seed)


def importance_in(
    trials: Sequence[FrozenTrial], *, higher_is_better: bool = False, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Return what `importance` does for complete trials of Optuna, by their first value.

    A knob that some trials lack is left out by fANOVA, and by PED-ANOVA of Optuna 4.
    """
    figures = [trial.values[0] for trial in trials]
    if len(figures) < LEAST_RUNS:
        return {}
    share = max(0.1, BEST_RUNS / len(figures))
    ranked = sorted(figures, reverse=higher_is_better)
    if ranked[math.ceil(share * len(figures)) - 1] == ranked[-1]:
        return {}
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize" if higher_is_better else "minimize")
    study.add_trials(
        optuna.create_trial(params=trial.params, distributions=trial.distributions, value=figure)
        for trial, figure in zip(trials, figures, strict=True)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # PED-ANOVA's, before Optuna 5
        evaluators = {
            "PED-ANOVA": PedAnovaImportanceEvaluator(target_quantile=share),
            "fANOVA": FanovaImportanceEvaluator(seed=seed),
        }
    return {title: get_param_importances(study, evaluator=evaluator) for title, evaluator in evaluators.items()}
