"""The LightningModule of a detector: torchvision's losses, the recipe's optimizer, and mean average precision."""

import math
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
    """A run's network as a detector of boxes; the loss is the sum of torchvision's four.

    Which anchors and proposals it is taken over is a pure function of (seed, epoch, batch).
    """

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.network = network = build_detector(run)
        self.scores: BoxScores | None = None
        self.sound: Tensor | None = None
        for head in (network.rpn.head, network.roi_heads.box_predictor):
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
        """Return the sum of the four losses of a batch."""
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

    def _watch(self, head: torch.nn.Module, _: Any, output: tuple[Any, ...]) -> None:
        """Note what a head gives that is no number: torchvision drops such boxes, as if nothing had been found."""
        if self.sound is not None and not head.training:
            for values in (tensor for part in output for tensor in (part if isinstance(part, list) else [part])):
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
