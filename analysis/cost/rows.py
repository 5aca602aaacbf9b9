"""What each row has cost, and how that compares with its baseline, seed by seed on one machine."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Final

from analysis.cells import Cells
from analysis.cost.measured import Machine, Measured, measured
from analysis.environment import device_hours

MEASURES: Final = ("images_per_second", "latency_ms", "memory_mib")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A mean and its sample standard deviation over `n` runs or pairs of runs; NaN where there is none."""

    mean: float = math.nan
    sd: float = math.nan
    n: int = 0


@dataclass(frozen=True, kw_only=True)
class RowCost:
    """What the complete runs of a row have cost: `spreads` by name, over those on the study's machine.

    A name with `_ratio` is of the row's cost by its baseline's, over the seeds at which both ran on one machine: their
    geometric mean, and the standard deviation of its logarithm times it. `elsewhere` are the seeds that were not
    trained on the study's machine, `unmeasured` those whose cost is not recorded.
    """

    spreads: Mapping[str, Spread]
    device_hours: float
    elsewhere: tuple[int, ...] = ()
    unmeasured: tuple[int, ...] = ()


def row_costs(cells: Cells, home: Mapping[str, str]) -> tuple[Machine, dict[str, RowCost]]:
    """Return the study's machine, on which most runs were trained, and each row's cost; `home` is row -> baseline."""
    found = {
        row: {seed: cost for seed, record in runs.items() if (cost := measured(record)) is not None}
        for row, runs in cells.items()
    }
    machines = Counter(cost.machine for costs in found.values() for cost in costs.values())
    usual = machines.most_common(1)[0][0] if machines else ()
    rows = {}
    for row, runs in cells.items():
        here = [cost for cost in found[row].values() if cost.machine == usual]
        against = found[home[row]] if row != home[row] else {}
        spreads = {}
        for name in MEASURES:
            spreads[name] = _spread([getattr(cost, name) for cost in here])
            spreads[f"{name}_ratio"] = _ratio(found[row], against, name)
        rows[row] = RowCost(
            spreads=spreads,
            device_hours=device_hours(list(runs.values()))[0],
            elsewhere=tuple(seed for seed, cost in found[row].items() if cost.machine != usual),
            unmeasured=tuple(seed for seed in runs if seed not in found[row]),
        )
    return usual, rows


def _ratio(ours: Mapping[int, Measured], theirs: Mapping[int, Measured], name: str) -> Spread:
    logs = []
    for seed in ours.keys() & theirs.keys():
        one, other = getattr(ours[seed], name), getattr(theirs[seed], name)
        if ours[seed].machine == theirs[seed].machine and one and other:
            logs.append(math.log(one / other))
    spread = _spread(logs)
    ratio = math.exp(spread.mean)
    return Spread(mean=ratio, sd=ratio * spread.sd, n=spread.n)


def _spread(values: Sequence[float | None]) -> Spread:
    known = [value for value in values if value is not None]
    if not known:
        return Spread()
    return Spread(mean=mean(known), sd=stdev(known) if len(known) > 1 else math.nan, n=len(known))
