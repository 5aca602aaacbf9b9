"""Optuna's pruners by name, set to the number of epochs."""

import warnings
from typing import Final, Literal

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner

PrunerName = Literal["none", "median", "asha", "hyperband", "wilcoxon"]

PRUNERS: Final[dict[PrunerName, str]] = {
    "none": "every run is trained to its end",
    "median": "stops a run that is worse than the median of the others at the same epoch",
    "asha": "asynchronous successive halving: the best third goes on after 1/27, 1/9 and 1/3 of the epochs",
    "hyperband": "successive halving that starts at several epochs at once, so that late bloomers live",
    "wilcoxon": "over seeds: stops a configuration whose seeds are worse than those of the best one",
}
"""What `--pruner` takes."""

ETA: Final = 3
"""One run in so many survives a rung of successive halving."""
RUNGS: Final = 3
"""Rungs below the last epoch."""
BY_EPOCH: Final[tuple[PrunerName, ...]] = ("median", "asha", "hyperband")
"""Those that compare epochs."""
LEAST_EPOCHS: Final = 4
"""Epochs below which they stop nothing: they wait for two, and a third is trained before a run has left."""
LEAST_SEEDS: Final = 5
"""Seeds that a one-sided Wilcoxon test at p < 0.1 needs to stop a configuration before its last one (1/2⁴ < 0.1)."""


def make_pruner(name: PrunerName, epochs: int) -> BasePruner:
    """Return the pruner for runs of so many epochs (for `wilcoxon`, of so many seeds as there are)."""
    first = max(1, round(epochs / ETA**RUNGS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # Wilcoxon
        match name:
            case "none":
                return optuna.pruners.NopPruner()
            case "median":
                return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
            case "asha":
                return optuna.pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=ETA)
            case "hyperband":
                return optuna.pruners.HyperbandPruner(first, max(first, epochs), reduction_factor=ETA)
            case "wilcoxon":
                return optuna.pruners.WilcoxonPruner(p_threshold=0.1)
