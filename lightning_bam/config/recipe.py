"""How a network is trained: everything that can change the result and is not the network, the data or the seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lightning_bam.config.spec import Part, spec

Fraction = Annotated[float, Field(gt=0, lt=1)]


@spec
class Recipe(Part):
    """SGD on the *global* batch. The defaults are the public CIFAR-100 recipe closest to the paper, which gives none.

    `milestones` are fractions of `epochs`, so that a shorter run keeps the shape of the schedule. The incomplete last
    batch of an epoch is dropped. `sync_batchnorm` takes batch norm's statistics over the global batch, so that figures
    do not depend on the number of ranks; torch has it on GPUs alone. Else each rank's batch norm sees its own share.
    """

    slot: ClassVar[str] = "recipe"
    kind: ClassVar[str] = "sgd"
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    batch_size: Annotated[int, Field(ge=2)] = 128
    lr: Annotated[float, Field(gt=0)] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    schedule: Literal["step", "cosine", "constant"] = "step"
    milestones: tuple[Fraction, ...] = (0.3, 0.6, 0.8)
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.2
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    crop_padding: Annotated[int, Field(ge=0)] = 4
    flip: bool = True
    precision: Literal["32", "bf16"] = "32"
    sync_batchnorm: bool = True

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True needs momentum above 0; set nesterov=False or momentum=0.9")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must rise, got {self.milestones}")
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs must be at most epochs, got {self.warmup_epochs:g} of {self.epochs}")

    def idle(self) -> frozenset[str]:
        """Return the fields that play no part, given the others."""
        return frozenset() if self.schedule == "step" and self._changes_lr() else frozenset({"milestones", "gamma"})

    def canonical(self) -> Recipe:
        """Return the same training in its usual spelling: a schedule that never comes into play is `constant`."""
        return self if self._changes_lr() else replace(self, schedule="constant")

    def _changes_lr(self) -> bool:
        steps = self.schedule == "step" and bool(self.milestones) and self.gamma < 1
        return self.warmup_epochs < self.epochs and (steps or self.schedule == "cosine")
