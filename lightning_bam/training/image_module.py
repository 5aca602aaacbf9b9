"""The LightningModule of one network and batches of images: its loss, and what it counts over the scored set."""

from abc import abstractmethod
from typing import Any, Final

import torch
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


class ImageModule(TrainedModule):
    """A run's network for images `(N, C, H, W)`; losses, and what is counted, are summed on the device."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        network = build(run)
        self.memory_format = memory_format(network)
        self.network = network.to(memory_format=self.memory_format)
        self.counts: Tensor | None = None  # no buffer, like the running loss
        self.scored = torch.zeros((), dtype=torch.int64)

    @abstractmethod
    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch, a scalar."""

    @abstractmethod
    def count(self, outputs: Any, targets: Tensor) -> Tensor:
        """Return what a scored batch adds: float64, of one shape for all batches."""

    @abstractmethod
    def figures(self, counts: Tensor, scored: int) -> dict[str, float | int]:
        """Return the epoch's figures from the sum of all counts over `scored` images."""

    def forward(self, images: Tensor) -> Any:
        """Return the network's outputs, for a classifier logits `(N, classes)`."""
        return self.network(images.contiguous(memory_format=self.memory_format))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the mean loss of this rank's part of the global batch."""
        images, targets = batch
        # one seed for all ranks: dropout draws for the global batch, whatever the ranks
        with seeded(stream(self.spec.seed, "dropout", self.current_epoch, batch_idx), self.device):
            outputs = self(images)
        loss = self.loss(outputs, targets)
        self.running.add(loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Begin the counts."""
        self.counts, self.scored = None, torch.zeros((), dtype=torch.int64, device=self.device)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Count one batch of the scored set."""
        images, targets = batch
        counts = self.count(self(images), targets).double()
        self.counts = counts if self.counts is None else self.counts + counts
        self.scored += len(images)

    def on_validation_epoch_end(self) -> None:
        """Sum the counts where each rank has scored only its share (a collective call)."""
        assert self.counts is not None
        if getattr(self.trainer.datamodule, "shares_scored", False):  # type: ignore[attr-defined]
            self.counts, self.scored = gather(self.counts).sum(0), gather(self.scored).sum(0)

    def score(self) -> dict[str, float | int]:
        """Return the figures of the whole scored set."""
        assert self.counts is not None
        return self.figures(self.counts.cpu(), int(self.scored))


class TaskModule(ImageModule):
    """A run's network, trained and scored as its task, a user's own, says."""

    def loss(self, outputs: Any, targets: Tensor) -> Tensor:
        """Return the task's loss."""
        loss: Tensor = self.spec.actual_task.loss(outputs, targets)
        return loss

    def count(self, outputs: Any, targets: Tensor) -> Tensor:
        """Return what the task counts."""
        counts: Tensor = self.spec.actual_task.count(outputs, targets)
        return counts

    def figures(self, counts: Tensor, scored: int) -> dict[str, float | int]:
        """Return the task's figures, and how many images were scored."""
        figures = {name: float(figure) for name, figure in self.spec.actual_task.figures(counts).items()}
        return {**figures, "scored": scored}
