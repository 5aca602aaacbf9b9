"""Mean average precision of boxes, as COCO counts it."""

from collections.abc import Sequence

from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision

from lightning_bam.detection.sets import Target


class BoxScores:
    """Mean average precision over classes and scenes, by pycocotools, COCO's own counting.

    Average precision is the mean of the precision at 101 values of recall, of at most 100 boxes of a scene. A crowd is
    found or not, it does not count.
    """

    def __init__(self) -> None:
        # every rank sees the whole scored set: nothing is to be gathered
        self.metric = MeanAveragePrecision(backend="pycocotools", sync_on_compute=False)
        self.metric.warn_on_many_detections = False
        self.scored = 0

    def add(self, predictions: Sequence[dict[str, Tensor]], targets: Sequence[Target]) -> None:
        """Add scenes, of each its boxes `(n, 4)` as x1, y1, x2, y2 in pixels, `scores` `(n,)`, `labels` `(n,)`."""
        self.metric.update(
            [{name: scene[name].detach().cpu() for name in ("boxes", "scores", "labels")} for scene in predictions],
            [{"boxes": t.boxes, "labels": t.labels, "iscrowd": t.crowd.long()} for t in targets],
        )
        self.scored += len(targets)

    def figures(self) -> dict[str, float | int]:
        """Return mAP in percent, over intersections of .5 to .95 and at .5 and .75, and how many scenes it is of."""
        result = self.metric.compute()
        return {
            "map_50_95": 100 * float(result["map"]),
            "map_50": 100 * float(result["map_50"]),
            "map_75": 100 * float(result["map_75"]),
            "scored": self.scored,
        }
