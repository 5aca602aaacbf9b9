"""The LightningModule of a detector: torchvision's losses, the recipe's optimizer, and mean average precision."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lightning_bam.config import Run
from lightning_bam.detection.data import DetectionBatch
from lightning_bam.detection.network import build_detector
from lightning_bam.detection.scores import BoxScores
from lightning_bam.detection.sets import Target
from lightning_bam.random_streams import seeded, stream
from lightning_bam.training.base_module import TrainedModule


class DetectionTask(TrainedModule):
    """A run's network as a detector of boxes; the loss is the sum of torchvision's.

    Which anchors and proposals Faster R-CNN takes it over is a pure function of (seed, epoch, batch); SSD draws none.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        detector = build_detector(run)
        self.network = detector.network
        self.scores: BoxScores | None = None
        self.sound: Tensor | None = None
        for head in detector.heads:
            head.register_forward_hook(self._watch)

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        """Return what is found in each image `(3, H, W)`, in eval mode: `boxes` `(n, 4)`, `labels`, `scores` `(n,)`."""
        boxes: list[dict[str, Tensor]] = self.network(images)
        return boxes

    def on_train_epoch_start(self) -> None:
        """Begin an epoch's sum; what was scored before is no longer this epoch's."""
        super().on_train_epoch_start()
        self.scores = None

    def training_step(self, batch: DetectionBatch, batch_idx: int) -> Tensor:
        """Return the sum of the losses of a batch."""
        images, targets = batch
        seed = stream(self.spec.seed, "samples", self.current_epoch, batch_idx, self.global_rank)
        with seeded(seed, self.device):
            losses: dict[str, Tensor] = self.network(images, targets)
        loss = torch.stack(list(losses.values())).sum()
        self.running.add(loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Begin the scores."""
        self.scores, self.sound = BoxScores(), torch.ones((), dtype=torch.bool, device=self.device)

    def _watch(self, head: torch.nn.Module, _: Any, output: Any) -> None:
        """Note what a head gives that is no number: torchvision drops such boxes, as if nothing had been found."""
        if self.sound is not None and not head.training:
            for values in _tensors(output):
                self.sound &= values.isfinite().all()

    def validation_step(self, batch: tuple[list[Tensor], list[Target]], batch_idx: int) -> None:  # noqa: ARG002
        """Add one batch of the scored set."""
        assert self.scores is not None
        images, targets = batch
        self.scores.add(self(images), targets)

    def score(self) -> dict[str, float | int]:
        """Return mAP in percent, nan where a head gave no number, and how many scenes were scored; empty if none."""
        if self.scores is None:
            return {}
        figures = self.scores.figures()
        return figures if self.sound else dict.fromkeys(figures, math.nan) | {"scored": figures["scored"]}


def _tensors(output: Any) -> Iterator[Tensor]:
    """Yield the tensors that a head gives, alone, or in tuples, lists and dicts."""
    if isinstance(output, Tensor):
        yield output
    else:
        for part in output.values() if isinstance(output, dict) else output:
            yield from _tensors(part)
