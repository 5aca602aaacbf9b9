"""What a finished run reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from lightning_bam.config import Classification, Metric, Run, metrics
from lightning_bam.json_text import short

CLASSIFIED: Final = ("error_top1", "error_top5", "correct_top1", "correct_top5", "loss")
"""What a classifier's result holds, beside what every result does."""
DETECTED: Final = ("map_50_95", "map_50", "map_75")
"""What a detector's holds."""
OWN: Final = re.compile(r"[a-z]\w{0,63}")
"""What a figure of a task of the user's own can be called."""
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
    `own` are those of a task of the user's own, by name. Errors and mean average precisions are in percent, `scored`
    counts images, `macs` are multiply-accumulates of one image, `seconds` the training's wall time. Raises TypeError:
    neither a classifier's figures nor a detector's nor a task's own, or one out of range.
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
    own: Mapping[str, float] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Result:
        """Return the result with these figures by name, as `result.json` holds them; raises as the class does."""
        ours = {each.name for each in fields(cls)} - {"own"}
        own = {name: value for name, value in data.items() if name not in ours}
        return cls(**{name: value for name, value in data.items() if name in ours}, own=own)

    def __post_init__(self) -> None:
        for name, (kind, most) in _RANGES.items():
            value = getattr(self, name)
            if value is None and name in (*CLASSIFIED, *DETECTED):
                continue
            if isinstance(value, bool) or not isinstance(value, kind) or not 0 <= value <= most:
                what = "whole number" if kind is int else "number"
                raise TypeError(f"{name} is {short(value)}, not a {what} from 0 to {most:g}")
        for name, value in self.own.items():
            known = metrics().get(name)
            if not OWN.fullmatch(name) or isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{short(name)} is {short(value)}, not a number")
            if abs(value) > _NUMBER[1] or (known is not None and known.unit == "%" and not 0 <= value <= 100):
                raise TypeError(f"{name} is {short(value)}, not a number from 0 to 100")
        names = {name for name in (*CLASSIFIED, *DETECTED) if getattr(self, name) is not None}
        if names not in (set(CLASSIFIED), set(DETECTED)) and not self.own:
            raise TypeError(f"figures {', '.join(sorted(names)) or 'none'}, not {', '.join(CLASSIFIED)} or all of mAP")

    def figures(self) -> dict[str, Any]:
        """Return the figures by name, without those that are None: what `result.json` holds."""
        figures: dict[str, Any] = {
            name: value for name, value in asdict(self).items() if value is not None and name != "own"
        }
        return {**figures, **self.own}

    def figure(self, metric: str) -> float | None:
        """Return a figure of a metric by its name, None where this run does not report it."""
        value: float | None = self.own.get(metric, getattr(self, metric, None))
        return value


def headline(run: Run) -> Metric:
    """Return the first metric of a run's task: a classifier's top-1 error, a detector's mean average precision."""
    return run.actual_task.metrics[0]


def reports(run: Run) -> tuple[str, ...]:
    """Return the names of the figures that a run reports, beside what every run does."""
    task = run.actual_task
    if isinstance(task, Classification):
        return CLASSIFIED
    return DETECTED if run.detects else tuple(metric.name for metric in task.metrics)


def reported(run: Run, result: Result) -> float:
    """Return a finished run's figure, in percent; ValueError for a result of the other kind of network."""
    name = headline(run).name
    if (figure := result.figure(name)) is None:
        raise ValueError(f"run {run.key}: its result has no {name}")
    return figure


def flat(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of an epoch's line by name, a gate's as `gates/layer1/mean`."""
    values = {name: value for name, value in line.items() if OWN.fullmatch(name)}
    for place, gate in line.get("gates", {}).items():
        values |= {f"gates/{place}/{name}": gate[name] for name in ("mean", "saturated")}
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _NUMBER[1]
    }


def so_far(run: Run, line: Mapping[str, Any]) -> float | None:
    """Return the figure of one epoch; None where the epoch was not scored."""
    return line.get(headline(run).name)
