"""The optimizer of a recipe."""

import math
from bisect import bisect_right
from typing import Any

import pytorch_lightning as pl
import torch

from lightning_bam.config import Recipe


def lr_factor(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Return what `recipe.lr` is multiplied by at optimizer step `step`, counted from 0, after a linear warm-up.

    Milestones are rounded to whole epochs and never before the first is over; `cosine` falls from 1 to 0 over the run.
    """
    warmup = recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if recipe.schedule == "step":
        passed = bisect_right([max(1, round(m * recipe.epochs)) for m in recipe.milestones], step // steps_per_epoch)
        return float(recipe.gamma**passed)
    if recipe.schedule == "cosine":
        total = recipe.epochs * steps_per_epoch
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
    return 1.0


def sgd(module: pl.LightningModule, recipe: Recipe) -> dict[str, Any]:
    """Return what Lightning asks for: SGD over every parameter of `module`, and the schedule, stepped every batch."""
    optimizer = torch.optim.SGD(
        module.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )
    steps = int(module.trainer.estimated_stepping_batches) // recipe.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(recipe, step, steps))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
