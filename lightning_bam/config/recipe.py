"""How a network is trained: everything that can change the result and is not the network, the data or the seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator, StringConstraints

from lightning_bam.config.options import Option, Options
from lightning_bam.config.spec import Part, spec

Fraction = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, StringConstraints(to_lower=True, strip_whitespace=True, min_length=1, max_length=40)]
Positive = Annotated[float, Field(gt=0)]


@spec
class Recipe(Part):
    """Steps on the *global* batch. The defaults are the public CIFAR-100 recipe closest to the paper, which gives none.

    Every parameter decays, norms and biases too, in the optimizer's way (with the gradient in SGD, apart from it in
    AdamW). What torch does not know or take is refused before any training. The incomplete last batch of an epoch is
    dropped. `train_loss` is of the weights that are trained, and of mixed images and labels where they are mixed.

    Args:
        epochs: passes over the train images.
        batch_size: images a step, over all ranks.
        optimizer: a name of `torch.optim` in any case, as `adamw`.
        optimizer_options: arguments of the optimizer beyond the recipe's own, as `optimizer_options.betas`.
        lr: the optimizer's, as it stands: 0.1 is SGD's, AdamW's is nearer 0.001.
        momentum: SGD's.
        nesterov: SGD's.
        weight_decay: of any optimizer, on every parameter.
        clip_grad_norm: the most that the norm of all gradients of the global batch's mean loss may be.
        schedule: `step` multiplies lr by `gamma` at each of `milestones`; `cosine` falls to 0; `constant`.
        milestones: fractions of `epochs`, so that a shorter run keeps the shape of the schedule.
        gamma: factor of `step`.
        warmup_epochs: epochs, also a part of one, in which lr rises linearly to its value.
        label_smoothing: cross-entropy's.
        mixup: alpha of torchvision's mixup; an image's partner is the one before it in the global batch.
        cutmix: alpha of torchvision's cutmix; with both, each batch draws one of them.
        crop_padding: pixels of zeros around an image, from which it is cropped at random to its size.
        flip: mirror half of the images.
        ema: decay a step of an average of the weights, begun after the first step, which is scored and kept; batch
            norm's statistics are averaged alike, as timm's and torchvision's references do.
        precision: `bf16` is autocast to bfloat16.
        sync_batchnorm: take batch norm's statistics over all ranks (on GPUs alone: torch has none for CPUs), so that
            figures do not depend on their number; else each rank's batch norm sees its own share.

    """

    slot: ClassVar[str] = "recipe"
    kind: ClassVar[str] = "sgd"
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    batch_size: Annotated[int, Field(ge=2)] = 128
    optimizer: Name = "sgd"
    optimizer_options: Annotated[Mapping[str, Option], PlainValidator(Options)] = Options()
    lr: Positive = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    clip_grad_norm: Positive | None = None
    schedule: Literal["step", "cosine", "constant"] = "step"
    milestones: tuple[Fraction, ...] = (0.3, 0.6, 0.8)
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.2
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    mixup: Positive | None = None
    cutmix: Positive | None = None
    crop_padding: Annotated[int, Field(ge=0)] = 4
    flip: bool = True
    ema: Fraction | None = None
    precision: Literal["32", "bf16"] = "32"
    sync_batchnorm: bool = True

    def __post_init__(self) -> None:
        if self.optimizer == "sgd" and self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True needs momentum above 0; set nesterov=False or momentum=0.9")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must rise, got {self.milestones}")
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs must be at most epochs, got {self.warmup_epochs:g} of {self.epochs}")

    def idle(self) -> frozenset[str]:
        """Return the fields that play no part, given the others."""
        steps = self.schedule == "step" and self._changes_lr()
        unused = set() if steps else {"milestones", "gamma"}
        return frozenset(unused | (set() if self.optimizer == "sgd" else {"momentum", "nesterov"}))

    def canonical(self) -> Recipe:
        """Return the same training in its usual spelling: a schedule that never comes into play is `constant`."""
        return self if self._changes_lr() else replace(self, schedule="constant")

    def _changes_lr(self) -> bool:
        steps = self.schedule == "step" and bool(self.milestones) and self.gamma < 1
        return self.warmup_epochs < self.epochs and (steps or self.schedule == "cosine")
