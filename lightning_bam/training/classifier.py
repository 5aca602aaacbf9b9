"""The LightningModule of a classifier: cross-entropy, and integer counts of what it gets right."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_bam.config.task import TaskSpec
from lightning_bam.training.image_module import ImageModule


class Classifier(ImageModule):
    """A run's network as a classifier of images `(N, C, H, W)`; losses and correct answers are summed on the device."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy to labels, or to weights of classes, or the loss of the user's own task."""
        task = self.spec.actual_task
        if type(task).loss is not TaskSpec.loss:
            loss: Tensor = task.loss(outputs, targets)
            return loss
        return F.cross_entropy(outputs, targets, label_smoothing=self.spec.recipe.label_smoothing)

    def count(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return how often the best, or one of the best five answers is right, and the sum of cross-entropies."""
        logits = outputs.float()
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices == targets[:, None]
        loss = F.cross_entropy(logits, targets, reduction="sum")
        return torch.stack([best[:, 0].sum().double(), best.sum().double(), loss.double()])

    def figures(self, counts: Tensor, scored: int) -> dict[str, float | int]:
        """Return what was counted over the whole scored set: errors in percent, counts, mean loss."""
        correct1, correct5 = int(counts[0]), int(counts[1])
        return {
            "error_top1": 100 * (scored - correct1) / scored,
            "error_top5": 100 * (scored - correct5) / scored,
            "correct_top1": correct1,
            "correct_top5": correct5,
            "scored": scored,
            "loss": float(counts[2]) / scored,
        }
