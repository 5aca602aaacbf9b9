"""Optuna's samplers by name, set up for conditional spaces that several processes search at once."""

import warnings
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.search.choices import Choice, Integer, Real, Value

SamplerName = Literal["tpe", "gp", "nsga2", "random", "qmc", "brute"]

SAMPLERS: Final[dict[SamplerName, str]] = {
    "tpe": "tree-structured Parzen estimator, multivariate, knobs grouped by where they play a part",
    "gp": "Gaussian process; the only one that loads torch into this process",
    "nsga2": "two objectives, error against MACs, by evolution",
    "random": "independent draws",
    "qmc": "Sobol points over the knobs of the first trial; the others are drawn at random",
    "brute": "every configuration once; the search ends when there is no other",
}
"""What `--sampler` takes."""


class EachOnce(optuna.samplers.BruteForceSampler):
    """Optuna's brute force without its stop of `optimize`, which is not used here: the search counts configurations."""

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Leave the study alone."""


def own_sampler(study: optuna.Study, name: SamplerName, trials: int, seed: int) -> BaseSampler:
    """Return a sampler whose numbers no other process of this search draws; whoever calls keeps all others out."""
    worker = max(0, study.user_attrs.get("workers", 0))
    study.set_user_attr("workers", worker + 1)
    own = int(np.random.SeedSequence([seed, worker]).generate_state(1)[0])
    startup = min(10, max(4, trials // 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # `group`, QMC and brute force, for years
        match name:
            case "tpe":
                return optuna.samplers.TPESampler(
                    seed=own, n_startup_trials=startup, multivariate=True, group=True, constant_liar=True
                )
            case "gp":
                return optuna.samplers.GPSampler(seed=own, n_startup_trials=startup, warn_independent_sampling=False)
            case "nsga2":
                return optuna.samplers.NSGAIISampler(seed=own, population_size=min(50, max(8, trials // 5)))
            case "random":
                return optuna.samplers.RandomSampler(seed=own)
            case "qmc":
                return optuna.samplers.QMCSampler(
                    scramble=True,
                    seed=seed,  # one sequence for all; Optuna counts its points in the storage
                    independent_sampler=optuna.samplers.RandomSampler(seed=own),
                    warn_independent_sampling=False,
                )
            case "brute":
                return EachOnce(seed=own)


def suggest(trial: Trial, name: str, choice: Choice) -> Value:
    """Ask a trial for the value of one name."""
    if isinstance(choice, Integer):
        return trial.suggest_int(name, choice.low, choice.last, step=choice.step, log=choice.log)
    if isinstance(choice, Real):
        return trial.suggest_float(name, choice.low, choice.last, step=choice.step, log=choice.log)
    return str(trial.suggest_categorical(name, tuple(choice)))
