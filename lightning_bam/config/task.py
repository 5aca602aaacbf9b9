"""What a network is trained for, as data: its loss, and the figures by which it is judged."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from lightning_bam.config.spec import KINDS, Part, spec


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One reported figure: its field in `result.json`, a table's heading, which way is better, and its unit.

    A figure in percent is from 0 to 100. `short` is what a line of a run calls it.
    """

    name: str
    label: str
    higher_is_better: bool = False
    unit: str = "%"
    short: str = "figure"

    @property
    def title(self) -> str:
        """The label without its unit."""
        return self.label.removesuffix(f" ({self.unit})")

    @property
    def points(self) -> str:
        """The unit of a difference of two figures, in short: `points` of percent."""
        return "points" if self.unit == "%" else self.unit

    @property
    def difference(self) -> str:
        """The unit of a difference of two figures, at length."""
        return "percentage points" if self.unit == "%" else self.unit

    @property
    def sign(self) -> str:
        """The unit behind a figure: ` %`."""
        return f" {self.unit}" if self.unit else ""


class TaskSpec(Part):
    """What a network is trained for. One of your own says how its outputs are judged:

        @spec
        class Segmentation(TaskSpec):
            metrics = (Metric(name="miou", label="mean IoU (%)", higher_is_better=True, short="mIoU"),)

            def loss(self, outputs, targets):
                return F.cross_entropy(outputs, targets)

            def count(self, outputs, targets):
                return confusion(outputs.argmax(1), targets)

            def figures(self, counts):
                return {"miou": 100 * mean_iou(counts)}

    `metrics` are what a study can compare, the first unless it says which. `count` adds up over batches and ranks:
    any tensor of float64, of the same shape for each batch, so that figures do not depend on how a set was split.
    With more than a loss of outputs (several networks, an optimizer of its own), `module` gives the whole
    LightningModule.
    """

    slot: ClassVar[str] = "task"
    metrics: ClassVar[tuple[Metric, ...]] = ()
    each_epoch: ClassVar[bool] = True
    """Whether every epoch is scored, or the last alone."""

    def loss(self, outputs: Any, targets: Any) -> Any:
        """Return the mean loss, a scalar, of a network's `outputs` for a batch whose labels are `targets`."""
        raise NotImplementedError(f"{type(self).__name__} has no method loss(self, outputs, targets)")

    def count(self, outputs: Any, targets: Any) -> Any:
        """Return what a scored batch adds, a tensor of any shape."""
        raise NotImplementedError(f"{type(self).__name__} has no method count(self, outputs, targets)")

    def figures(self, counts: Any) -> dict[str, float]:
        """Return the figures of `metrics` by name, from the sum of all that `count` gave, on the CPU in float64."""
        raise NotImplementedError(f"{type(self).__name__} has no method figures(self, counts)")

    def module(self, run: Any) -> Any:  # noqa: ARG002
        """Return the LightningModule that trains `run`, a `lightning_bam.training.TrainedModule`; None for the usual.

        The usual one trains `lightning_bam.build(run)` by `loss`, and scores by `count` and `figures`.
        """
        return None


@spec
class Classification(TaskSpec):
    """Cross-entropy to the labels of images; errors of the best and the best five answers, in percent."""

    kind: ClassVar[str] = "classification"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(name="error_top1", label="top-1 error (%)", short="error"),
        Metric(name="error_top5", label="top-5 error (%)", short="error"),
    )


@spec
class Detection(TaskSpec):
    """Boxes in scenes; COCO's mean average precision, in percent, counted once, after the last epoch."""

    kind: ClassVar[str] = "detection"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(name="map_50_95", label="mAP@[.5:.95] (%)", higher_is_better=True, short="mAP"),
        Metric(name="map_50", label="mAP@.5 (%)", higher_is_better=True, short="mAP"),
        Metric(name="map_75", label="mAP@.75 (%)", higher_is_better=True, short="mAP"),
    )
    each_epoch: ClassVar[bool] = False


USUAL: Final = (Classification(), Detection())
"""What data and network imply: labelled images are classified, boxes in scenes are detected."""


def metrics() -> dict[str, Metric]:
    """Return every metric that a study can compare, by name: this package's, and those of own tasks."""
    classes: list[Any] = [*KINDS["task"].values()]
    return {metric.name: metric for cls in classes for metric in cls.metrics}
