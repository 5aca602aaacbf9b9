"""How a table's intervals and verdicts were made, in sentences for a paper."""

import math
from dataclasses import dataclass
from typing import Final

from analysis.formats.legend import FAILED, STOPPED
from analysis.statistics.resampling import MOST_ENUMERATED
from analysis.table.build import Table
from analysis.table.verdict import LEVEL

CALLED: Final = {
    "simultaneous": (
        "Differences to the baseline are paired by seed {{cite:sharma2025pairing}}; each has a t interval of level "
        "1 − {level:g}/{count} (Bonferroni over {count} comparison{s}), so that all of them hold together with a "
        "probability of at least {confidence:g} %. A row is called better or worse where its interval leaves out 0, "
        "that is, where the p of the paired t-test times {count} is below {level:g}."
    ),
    "alone": (
        "The difference to the baseline is paired by seed {{cite:sharma2025pairing}}, and has a {confidence:g} % t "
        "interval. The row is called better or worse where that leaves out 0, that is, where the p of the paired "
        "t-test is below {level:g}."
    ),
    "repeated": (
        "Differences to the baseline are paired by seed {{cite:sharma2025pairing}}; each has the repeated interval of "
        "the sequential design at the row's last look, so that all intervals hold together over {count} comparison{s} "
        "(Bonferroni) and all looks with a probability of at least {confidence:g} %. A row is called better or worse "
        "where the p of the paired t-test at a look is at or below the look's limit, that is, where its interval "
        "leaves out 0."
    ),
}
"""What each kind of a row's interval is, and how a verdict follows from it: by `Row.interval`, `alone` for one row."""
NORMAL: Final = (
    "The t interval and the t-test assume that a row's differences, one a seed, are independent draws from a normal "
    "distribution."
)


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """How `intervals` and verdicts were made, and the `assumptions` that they make, with second opinions on these."""

    intervals: tuple[str, ...]
    assumptions: tuple[str, ...] = ()


def statistics(table: Table, declared: str | None) -> Statistics:
    """Return how a table's intervals were made; `declared` is when its stopping rule was, if it has one."""
    kinds = dict.fromkeys(row.interval for row in table.rows if row.interval)
    lines = list(_rule(table, declared))
    if not kinds:
        none = ["No row has two seeds in common with its baseline: there is no interval."] if table.comparisons else []
        return Statistics(intervals=(*lines, *none))
    count = table.comparisons
    level = LEVEL if table.stopping is None else table.stopping.level
    for kind in ["alone"] if count == 1 and table.stopping is None else kinds:
        lines.append(CALLED[kind].format(level=level, confidence=100 * (1 - level), count=count, s="s" * (count != 1)))
    if table.margin is not None:
        lines.append(
            f"A row is called equivalent where two one-sided t-tests, adjusted likewise, place its difference within "
            f"±{table.margin:g} {table.metric.points}."
        )
    if table.stopping is not None:
        lines.append(STOPPED)
    if table.counts_failures:
        lines.append(FAILED)
    return Statistics(intervals=tuple(lines), assumptions=(NORMAL, *_second_opinions(table)))


def _rule(table: Table, declared: str | None) -> list[str]:
    if table.stopping is None:
        return []
    when = f", declared on {declared[:10]} before the first result" if declared else ""
    looks = [row.interim.look for row in table.rows if row.interim is not None]
    reached = f"; rows have reached look {min(looks)}" if looks else ""
    reached += f" to {max(looks)}" if looks and max(looks) > min(looks) else ""
    return [f"The number of seeds follows a stopping rule{when}: {table.stopping}{reached}."]


def _second_opinions(table: Table) -> list[str]:
    """Name the ones that some row has: unadjusted, they stand in CSV and JSON."""
    found = [(len(row.differences), row.evidence) for row in table.rows if row.evidence is not None]
    most = max((n for n, one in found if not math.isnan(one.p_sign_flip)), default=0)
    if not most:
        return []
    least = f" and is never below {2 / 2**most:.2g} at {most} pairs" if most <= MOST_ENUMERATED else ""
    boots = any(not math.isnan(one.bootstrap_low) for _, one in found)
    bootstrap = ", and a BCa bootstrap interval {cite:du2025when}, from 8 pairs on, which assumes no distribution"
    return [
        "As second opinions, adjusted neither for other rows nor for looks, CSV and JSON hold the p of a sign-flip "
        f"test {{cite:du2025when}}, which assumes symmetry alone{least}{bootstrap if boots else ''}."
    ]
