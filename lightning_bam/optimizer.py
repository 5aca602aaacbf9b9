"""The optimizer of a recipe."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch

from lightning_bam.config import Recipe
from lightning_bam.schedule import lr_factor


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
