"""What a finished run reports."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from lightning_bam.config import Run
from lightning_bam.json_text import short


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One reported figure, from 0 to 100: its field in `result.json`, a table's heading, and which way is better."""

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
_PERCENT: Final = (int | float, 100)
_COUNT: Final = (int, 2**63 - 1)
_NUMBER: Final = (int | float, 1e39)
_RANGES: Final = {
    **dict.fromkeys(("error_top1", "error_top5", *DETECTED), _PERCENT),
    **dict.fromkeys(("correct_top1", "correct_top5", "scored", "epochs", "params", "macs"), _COUNT),
    **dict.fromkeys(("loss", "seconds"), _NUMBER),
}
"""What each figure is, from 0 to how much."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The reported figures of a finished run: the last epoch's, counted once over the whole scored set.

    A classifier reports all of `CLASSIFIED`, a detector all of `DETECTED`; the others are None and are not written.
    Errors and mean average precisions are in percent, `scored` counts images, `macs` are multiply-accumulates of one
    image, `seconds` the training's wall time. Raises TypeError: neither a classifier's figures nor a detector's, or one
    out of range.
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
        for name, (kind, most) in _RANGES.items():
            value = getattr(self, name)
            if value is None and name in (*CLASSIFIED, *DETECTED):
                continue
            if isinstance(value, bool) or not isinstance(value, kind) or not 0 <= value <= most:
                what = "whole number" if kind is int else "number"
                raise TypeError(f"{name} is {short(value)}, not a {what} from 0 to {most:g}")
        names = {name for name in (*CLASSIFIED, *DETECTED) if getattr(self, name) is not None}
        if names not in (set(CLASSIFIED), set(DETECTED)):
            raise TypeError(f"figures {', '.join(sorted(names)) or 'none'}, not {', '.join(CLASSIFIED)} or all of mAP")

    def figures(self) -> dict[str, Any]:
        """Return the figures by name, without those that are None: what `result.json` holds."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def figure(self, metric: str) -> float | None:
        """Return a figure by its name in `METRICS` (else KeyError), None where this run does not report it."""
        value: float | None = getattr(self, METRICS[metric].name)
        return value


def headline(run: Run) -> Metric:
    """Return the metric: a classifier's top-1 error, a detector's mean average precision."""
    return METRICS["map_50_95" if run.detects else "error_top1"]


def reported(run: Run, result: Result) -> float:
    """Return a finished run's figure, in percent; ValueError for a result of the other kind of network."""
    name = headline(run).name
    if (figure := result.figure(name)) is None:
        raise ValueError(f"run {run.key}: its result has no {name}")
    return figure


def so_far(run: Run, line: Mapping[str, Any]) -> float | None:
    """Return the figure of one epoch; None where the epoch was not scored."""
    return line.get(headline(run).name)
