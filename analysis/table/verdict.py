"""What a row's figures allow to say."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from analysis.statistics.paired import PairedDifference
from analysis.table.interim import Interim
from studies.definition.stopping import Stopping

LEVEL = 0.05
"""Family-wise level at which a difference counts as resolved."""

Kind = Literal[
    "better",
    "worse",
    "equivalent",
    "changes nothing",
    "no clear difference",
    "too few seeds",
    "open",
    "ended",
    "baseline",
    "failed",
    "unfinished",
    "not run",
]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What may be concluded of a row; `str` gives it as the table has it, with `detail` and `doubt` at its end.

    `within` is the margin that the difference is within, if it is; of the `wanted` seeds it is on `n` (None: all), and
    `failed` at others. `overturned` is what these could overturn, so that it is not claimed: `different`, `equivalent`.
    """

    kind: Kind
    within: float | None = None
    n: int | None = None
    wanted: int = 0
    failed: int = 0
    detail: str = ""
    overturned: str = ""

    @property
    def settled(self) -> bool:
        """Whether it is on all wanted seeds."""
        return self.n is None

    @property
    def so_far(self) -> bool:
        """Whether more seeds are to come: not where all the others have failed."""
        return self.n is not None and self.n + self.failed < self.wanted

    @property
    def claims(self) -> bool:
        """Whether it claims something of the difference."""
        return self.kind in ("better", "worse", "equivalent")

    @property
    def coverage(self) -> str:
        """On how many seeds it is, as ` so far (4 of 5 seeds)`; empty where that is all."""
        if self.n is None:
            return ""
        failed = f"; {self.failed} failed" if self.failed else ""
        return f"{' so far' if self.so_far else ''} ({self.n} of {self.wanted} seeds{failed})"

    @property
    def margin(self) -> str:
        """The margin that the difference is within, as ` within ±0.3`; empty where there is none."""
        return "" if self.within is None else f" within ±{self.within:g}"

    @property
    def doubt(self) -> str:
        """What failures could overturn of what p and interval show; empty where more looks are to come anyway."""
        names = {"different": "a difference", "equivalent": "equivalence"}
        if not self.overturned or self.kind in ("open", "ended"):
            return ""
        return f": failures could overturn {names[self.overturned]}"

    def __str__(self) -> str:
        return f"{self.kind}{self.margin}{self.coverage}{self.detail}{self.doubt}"


class _Seeds(TypedDict):
    n: int | None
    wanted: int
    failed: int


def verdict(
    delta: PairedDifference | None,
    p_adjusted: float,
    *,
    wanted: int,
    failed: int = 0,
    unchanged: bool = False,
    higher_is_better: bool = False,
    p_tost: float = math.nan,
    margin: float | None = None,
) -> Verdict:
    """Return what the differences of a row's figures from the baseline's allow to conclude.

    `delta` is row minus baseline, None without a pair; `p_adjusted` and `p_tost`, of equivalence within the `margin`,
    are adjusted for the study's comparisons. At fewer seeds than `wanted` a verdict is one of the moment, or where the
    row or its baseline has `failed` at the others on the surviving ones. `unchanged`: the row computed exactly what the
    baseline did. How many seeds it would take is not said here: from the difference seen that number is a guess, and
    from one that matters it is planned (`analysis.planning.needs`).
    """
    if unchanged:
        return Verdict(kind="changes nothing")
    n = delta.n if delta else 0
    seeds: _Seeds = {"n": n if n < wanted else None, "wanted": wanted, "failed": failed}
    if delta is None or delta.n < 2:
        return Verdict(kind="too few seeds", detail="" if n < wanted else ": needs at least 2", **seeds)
    if delta.sd == 0:
        return Verdict(kind="no clear difference", detail=": same Δ at every seed", **seeds)
    within = margin if margin is not None and p_tost < LEVEL else None
    if p_adjusted < LEVEL:
        return Verdict(kind=direction(delta, higher_is_better), within=within, **seeds)
    return Verdict(kind="no clear difference" if within is None else "equivalent", within=within, **seeds)


def without_figures(states: Mapping[str, int]) -> Verdict:
    """Say why a row has no figure, of whose runs so many are missing, failed, interrupted or running."""
    if states.get("failed"):
        return Verdict(kind="failed")
    return Verdict(kind="unfinished" if states.get("interrupted") or states.get("running") else "not run")


def direction(delta: PairedDifference, higher_is_better: bool) -> Literal["better", "worse"]:
    """Return which way a resolved difference goes."""
    return "better" if (delta.mean > 0) == higher_is_better else "worse"


def by_rule(look: Interim, rule: Stopping, *, higher_is_better: bool, margin: float | None) -> Verdict:
    """Say where a row stands at its last look by a stopping rule; `margin` is the study's, if it names one."""
    if look.outcome == "ended":
        return Verdict(kind="ended", detail=f": {look.ended}")
    if look.delta is None or look.outcome == "open":
        when = "first" if look.delta is None else "next"
        return Verdict(kind="open", detail=f": {when} look at {look.wanted} seeds")
    if look.outcome == "exhausted":
        return Verdict(kind="no clear difference", detail=f" by {rule.most} seeds, the last look")
    kind: Kind = direction(look.delta, higher_is_better) if look.outcome == "different" else "equivalent"
    return Verdict(kind=kind, within=margin if look.within else None)
