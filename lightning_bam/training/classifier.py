"""The LightningModule: one run's network, its loss, its optimizer, and integer counts of what it gets right."""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_bam.config import Run
from lightning_bam.distributed import gather
from lightning_bam.network import build
from lightning_bam.random_streams import seeded, stream
from lightning_bam.training.base_module import TrainedModule

SAFE: Final = 16
"""Channels below which oneDNN's strided 1x1 convolution is not trusted in channels_last: an AVX-512 register of floats.

With torch 2.14.1 (oneDNN 3.12) on AVX2 the backward pass of `nn.Conv2d(c, 2 * c, 1, stride=2)` in channels_last writes
past its buffer for c in 3 to 6 and not for c >= 8 (n = 15 shapes, under glibc's checking malloc).
"""


def memory_format(network: nn.Module) -> torch.memory_format:
    """Return channels_last, or the contiguous format where channels_last would corrupt memory (see `SAFE`)."""
    narrow = any(
        isinstance(module, nn.Conv2d)
        and max(module.stride) > 1
        and max(module.kernel_size) == 1
        and module.in_channels // module.groups < SAFE
        for module in network.modules()
    )
    return torch.contiguous_format if narrow else torch.channels_last


Batch = tuple[Tensor, Tensor]


class Classifier(TrainedModule):
    """A run's network as a classifier of images `(N, C, H, W)`; losses and correct answers are summed on the device."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        network = build(run)
        self.memory_format = memory_format(network)
        self.network = network.to(memory_format=self.memory_format)
        self.score_sum = torch.zeros((), dtype=torch.float64)  # no buffer, like the running loss
        self.counts = torch.zeros(3, dtype=torch.int64)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits `(N, classes)`."""
        logits: Tensor = self.network(images.contiguous(memory_format=self.memory_format))
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the mean cross-entropy of this rank's part of the global batch, to labels or weights of classes."""
        images, labels = batch
        # one seed for all ranks: dropout draws for the global batch, whatever the ranks
        with seeded(stream(self.spec.seed, "dropout", self.current_epoch, batch_idx), self.device):
            logits = self(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.spec.recipe.label_smoothing)
        self.running.add(loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Begin the counts."""
        self.score_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        self.counts = torch.zeros(3, dtype=torch.int64, device=self.device)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Count one batch of the scored set."""
        images, labels = batch
        logits = self(images).float()
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        self.score_sum += F.cross_entropy(logits, labels, reduction="sum")
        self.counts += torch.stack([best[:, 0].sum(), best.sum(), torch.tensor(len(labels), device=best.device)])

    def on_validation_epoch_end(self) -> None:
        """Sum the counts where each rank has scored only its share (a collective call)."""
        if getattr(self.trainer.datamodule, "shares_scored", False):  # type: ignore[attr-defined]
            self.counts, self.score_sum = gather(self.counts).sum(0), gather(self.score_sum).sum(0)

    def score(self) -> dict[str, float | int]:
        """Return what was counted over the whole scored set: errors in percent, counts, mean loss."""
        correct1, correct5, scored = (int(n) for n in self.counts)
        return {
            "error_top1": 100 * (scored - correct1) / scored,
            "error_top5": 100 * (scored - correct5) / scored,
            "correct_top1": correct1,
            "correct_top5": correct5,
            "scored": scored,
            "loss": float(self.score_sum) / scored,
        }
