"""A stand-in for training: learning curves from a formula with a planted optimum, and a scheduler without processes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from optuna.storages import InMemoryStorage

from lightning_bam.config import BAMSpec, Digits, EveryBlock, Recipe, Run, SmallResNet, with_settings
from studies.search.method import Method
from studies.search.search import Search
from studies.spaces.bam import SPACE as BAM

EPOCHS = 27
BASE = Run(
    dataset=Digits(), backbone=SmallResNet(width=32), attention=BAMSpec(), recipe=Recipe(epochs=EPOCHS, crop_padding=0)
)
SPACE = replace(BAM, name="surrogate", base=BASE, presets={})
"""The catalogue's space, conditions and all."""
PLANTED = with_settings(
    BASE,
    {"attention.reduction": "8", "placement.stages": "1,2", "recipe.lr": "0.1", "recipe.weight_decay": "0.0005"},
)
"""Where `limit` is least: 20 %."""
NEAR = 1.0
"""Percentage points above the optimum that count as found: what two wrong steps of a listed knob cost."""


def limit(run: Run) -> float:
    """Return the error that a configuration tends to, in percent: each knob away from the planted one costs."""
    bam = run.attention
    cost = 0.5 * abs(math.log2(bam.reduction / 8))
    cost += {"ends": 0.0, "both": 0.4, "maps": 0.6, "hidden": 1.0}[bam.norm]
    cost += {"both": 0.0, "channel": 1.2, "spatial": 1.6}[bam.branches]
    if bam.branches == "both":
        cost += {"sum": 0.0, "max": 0.5, "product": 1.0}[bam.combine]
    if bam.branches != "channel":
        cost += 0.3 * abs(bam.dilation - 4)
    stages = None if isinstance(run.placement, EveryBlock) else run.placement.stages
    cost += {None: 1.5, (1,): 1.0, (2,): 0.5, (1, 2): 0.0, (1, 2, 3): 0.5}[stages]
    cost += 4.0 * math.log10(run.recipe.lr / 0.1) ** 2 + 1.5 * math.log10(run.recipe.weight_decay / 5e-4) ** 2
    return 20.0 + cost


def curve(run: Run, epoch: int) -> float:
    """Return the error after an epoch: a power law towards the limit, and 0.3 points of noise.

    A greater learning rate begins slower and so crosses others late: what pruning can get wrong.
    """
    pace = 1.5 + 4.0 * run.recipe.lr
    left = (1.0 - epoch / EPOCHS) * (1.0 + epoch / pace) ** -0.8
    noise = np.random.default_rng([int(run.key[:8], 16), run.seed, epoch]).normal(0.0, 0.3)
    return float(limit(run) + 40.0 * left + noise)


@dataclass
class Spent:
    """What a search cost, in trials and epochs, and when it first finished a run near the planted optimum."""

    trials: int = 0
    epochs: int = 0
    pruned: int = 0
    found_at: int | None = None
    found_after: int | None = None
    best: float = math.inf
    tried: list = field(default_factory=list)

    @property
    def share_pruned(self):
        return 1.0 - self.epochs / (self.trials * EPOCHS)


def search_for(root, method, space=SPACE):
    """Return a real search whose trials are kept in memory."""
    return Search(root, space, method, storage=InMemoryStorage())


def drive(search, learn=curve, slots=1, spent=None, stop=lambda spent: False):
    """Do what the scheduler does, an epoch of each slot in turn, without training."""
    spent = spent or Spent()
    active = []
    while True:
        while len(active) < slots and not stop(spent) and (claimed := search.claim()):
            active.append((*claimed, iter(range(claimed[1].run.recipe.epochs))))
            spent.trials += 1
            spent.tried.append(claimed[1].run)
        if not active:
            return spent
        for one in list(active):
            trial, cell, epochs = one
            epoch = next(epochs)
            figure = learn(cell.run, epoch)
            spent.epochs += 1
            trial.report(figure, epoch)
            if epoch + 1 == cell.run.recipe.epochs:
                active.remove(one)
                search.complete(trial, figure)
                spent.best = min(spent.best, limit(cell.run))
                if limit(cell.run) <= 20.0 + NEAR and spent.found_at is None:
                    spent.found_at, spent.found_after = spent.trials, spent.epochs
            elif search.prune(trial):
                active.remove(one)
                spent.pruned += 1


__all__ = ["BASE", "EPOCHS", "PLANTED", "SPACE", "Method", "Spent", "curve", "drive", "limit", "search_for"]
