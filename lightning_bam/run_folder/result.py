"""What a finished run reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from lightning_bam.config import Run
from lightning_bam.json_text import short


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


CLASSIFIED: Final = ("error_top1", "error_top5", "correct_top1", "correct_top5", "loss")
"""What a classifier's result holds, beside what every result does."""
DETECTED: Final = ("map_50_95", "map_50", "map_75")
"""What a detector's holds."""
_OPTIONAL: Final = (*CLASSIFIED, *DETECTED)
_LARGE: Final = 2**63 - 1
_RANGES: Final = {
    **dict.fromkeys(("error_top1", "error_top5", *DETECTED), (int | float, 100)),
    **dict.fromkeys(("correct_top1", "correct_top5", "scored", "epochs", "params", "macs"), (int, _LARGE)),
    **dict.fromkeys(("loss", "seconds"), (int | float, 1e39)),
}
"""What each figure is, from 0 to how much."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The reported figures of a finished run: the last epoch's, counted once over the whole scored set.

    A classifier reports all of `CLASSIFIED`, a detector all of `DETECTED`; the others are None and are not written.
    Errors and mean average precisions are in percent, `scored` counts images, `macs` are multiply-accumulates of one
    image, `seconds` the training's wall time.

    Raises:
        TypeError: neither a classifier's figures nor a detector's.

    """

    error_top1: float | None = None
    error_top5: float | None = None
    correct_top1: int | None = None
    correct_top5: int | None = None
    map_50_95: float | None = None
    map_50: float | None = None
    map_75: float | None = None
    scored: int
    loss: float | None = None
    epochs: int
    params: int
    macs: int
    seconds: float

    def __post_init__(self) -> None:
        """Refuse a record with holes, and figures that cannot be."""
        for name, (kind, most) in _RANGES.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if isinstance(value, bool) or not isinstance(value, kind) or not 0 <= value <= most:
                what = "whole number" if kind is int else "number"
                raise TypeError(f"{name} is {short(value)}, not a {what} from 0 to {most:g}")
        told = {name for name in (*CLASSIFIED, *DETECTED) if getattr(self, name) is not None}
        if told not in (set(CLASSIFIED), set(DETECTED)):
            raise TypeError(f"figures {', '.join(sorted(told)) or 'none'}, not {', '.join(CLASSIFIED)} or all of mAP")

    def told(self) -> dict[str, Any]:
        """Return the figures by name, those that there are: what `result.json` holds."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def figure(self, metric: str) -> float | None:
        """Return a figure by its name in `METRICS`, None where this run reports none such.

        Raises:
            KeyError: no metric of that name.

        """
        value: float | None = getattr(self, METRICS[metric].name)
        return value


def headline(run: Run) -> Metric:
    """Return the metric: a classifier's top-1 error, a detector's mean average precision."""
    return METRICS["map_50_95" if run.detects else "error_top1"]


def reported(run: Run, result: Result) -> float:
    """Return a finished run's figure, in percent.

    Raises:
        ValueError: a result of the other kind of network.

    """
    metric = headline(run)
    figure = result.figure(metric.name)
    if figure is None:
        raise ValueError(f"run {run.key}: its result has no {metric.name}")
    return figure


def so_far(run: Run, line: Mapping[str, Any]) -> float | None:
    """Return the figure of one epoch; None where the epoch was not scored."""
    return line.get(headline(run).name)
