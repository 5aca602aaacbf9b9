"""The figures that a run reports, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One reported figure, on a scale of 0 to 100.

    Attributes:
        name: its field in `result.json`.
        label: how a table heads it.
        higher_is_better: whether more is better, as for mAP, or less, as for an error.

    """

    name: str
    label: str
    higher_is_better: bool = False


METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric(name="error_top1", label="top-1 error (%)"),
        Metric(name="error_top5", label="top-5 error (%)"),
        Metric(name="map_50_95", label="mAP@[.5:.95] (%)", higher_is_better=True),
        Metric(name="map_50", label="mAP@.5 (%)", higher_is_better=True),
        Metric(name="map_75", label="mAP@.75 (%)", higher_is_better=True),
    )
}
"""name -> metric."""
