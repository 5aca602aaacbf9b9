"""Mixup and cutmix: torchvision's transforms, as a pure function of seed, epoch and batch, whatever the ranks."""

from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2

from lightning_bam.config import Run
from lightning_bam.random_streams import seeded, stream

CPU = torch.device("cpu")


class Mixing:
    """A run's mixup or cutmix, or of both the one that a batch draws; `None` where `mixing_of` says that it has none.

    Torchvision draws from torch's global generator, on the CPU, once for a batch: what it draws follows from the run's
    seed and the batch's place, and the generator is left as it was. Each image's partner is the one before it.
    """

    def __init__(self, run: Run) -> None:
        recipe, classes = run.recipe, run.dataset.classes
        each: list[Any] = []
        if recipe.mixup is not None:
            each.append(v2.MixUp(alpha=recipe.mixup, num_classes=classes))
        if recipe.cutmix is not None:
            each.append(v2.CutMix(alpha=recipe.cutmix, num_classes=classes))
        self.seed = run.seed
        self.transform = each[0] if len(each) == 1 else v2.RandomChoice(each)

    def __call__(self, images: Tensor, labels: Tensor, epoch: int, batch: int) -> tuple[Tensor, Tensor]:
        """Mix a rank's share of batch `batch`, behind the image that stands before it in the global batch.

        Images `(b + 1, C, H, W)` and labels `(b + 1,)` become `(b, C, H, W)` and weights of classes `(b, classes)`.
        """
        with seeded(stream(self.seed, "mixing", epoch, batch), CPU):
            mixed, weights = self.transform(images, labels)
        return mixed[1:], weights[1:]


def mixing_of(run: Run) -> Mixing | None:
    """Return the run's mixing, or None."""
    return None if run.recipe.mixup is None and run.recipe.cutmix is None else Mixing(run)
