"""Where each row stands in a study whose seeds follow a stopping rule: computed from the results alone.

At each look the rows' differences from their baseline over the seeds of that look are held against the limits of
`analysis.statistics.sequential`, at the rule's level divided by the number of comparisons (Bonferroni: over all rows
and looks). With a margin, two one-sided tests (Schuirmann, 1987) are held against limits of their own, of the same
level: calling a row equivalent that is not is an error of another kind. A row that meets either limit has stopped.

A seed at which the row or its baseline has failed is passed over as long as the rule has spare seeds, and the next of
the declared order takes its place; after that a failure ends the row. Which seeds these are depends on failures alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analysis.cells import homes
from analysis.statistics.failed_pairs import p_different, p_equivalent
from analysis.statistics.paired import PairedDifference, paired, tost
from analysis.statistics.sequential import limits
from lightning_bam.run_folder.manifest import failures as causes_of_failures
from studies.definition.stopping import Stopping
from studies.definition.study import Study
from studies.records.records import Record

Outcome = Literal["different", "equivalent", "open", "exhausted", "ended"]
Failed = Mapping[str, Mapping[int, bool]]
"""Row -> the seeds at which an attempt has failed, and whether none has succeeded since."""


@dataclass(frozen=True, kw_only=True)
class Interim:
    """One row at the last `look` that its results reach, counted from 1; 0 before the first.

    `open` rows want more seeds, `exhausted` ones have no look left, and one that has `ended` lacks a seed of the next
    look for good: the text says which run failed. `wanted` is the number of seeds that the row stopped with, else that
    of the next look, `due` are these seeds; `looked` are those of the last look, and `passed` are failed ones, each
    with a spare seed in its place. `delta` is over `looked` (None at look 0), with the repeated interval of Jennison
    and Turnbull (1989), of level 1 - `limit`, which holds over all looks and rows. A row differs where its p is at or
    below `limit`, and is equivalent where `tost`, the larger p of the two one-sided tests against the margin, is at or
    below `tost_limit`. `p_failed` and `tost_failed` are these p with the pairs that spare seeds stand in for against
    the verdict (`analysis.statistics.failed_pairs`), NaN where there is none; they have to be below the limits, too.
    """

    outcome: Outcome
    look: int
    wanted: int
    due: tuple[int, ...] = ()
    looked: tuple[int, ...] = ()
    passed: tuple[int, ...] = ()
    ended: str = ""
    delta: PairedDifference | None = None
    limit: float | None = None
    tost: float | None = None
    tost_limit: float | None = None
    p_failed: float = math.nan
    tost_failed: float = math.nan

    @property
    def differs(self) -> bool:
        """Whether there is a difference, also were what failed against it."""
        return self.delta is not None and self.limit is not None and max(self.delta.p, self.p_failed) <= self.limit

    @property
    def within(self) -> bool:
        """Whether the difference is within the margin, also were what failed outside it."""
        if self.tost is None or self.tost_limit is None:
            return False
        return max(self.tost, self.tost_failed) <= self.tost_limit

    @property
    def overturned(self) -> str:
        """What the pairs of the look show and failures alone could overturn: `different`, `equivalent`, or nothing."""
        if self.delta is None or self.limit is None:
            return ""
        if self.delta.p <= self.limit < self.p_failed:
            return "different"
        near = self.tost is not None and self.tost_limit is not None and self.tost <= self.tost_limit
        return "equivalent" if near and not self.within and not self.differs else ""


def interim(
    ours: Mapping[int, float],
    baseline: Mapping[int, float],
    seeds: Sequence[int],
    rule: Stopping,
    comparisons: int,
    margin: float | None = None,
    failed: Mapping[int, str] | None = None,
) -> Interim:
    """Walk through the looks of one row for as long as both it and its baseline have the `seeds`, in their order.

    `ours` and `baseline` are seed -> figure in percent; `comparisons` rows share the rule's level. `failed` are the
    seeds at which either has failed, and how that is told; empty where a later attempt succeeded: what a spare seed has
    taken the place of stays out, lest a retry after a look change what was looked at.
    """
    failed = failed or {}
    passed = [seed for seed in seeds if seed in failed][: rule.spare]
    order = [seed for seed in seeds if seed not in passed]
    level = rule.level / comparisons
    differs = limits(rule.looks, level, rule.spending)
    same = limits(rule.looks, 2 * level, rule.spending) if margin is not None else None  # each test is one-sided
    reached = Interim(outcome="open", look=0, wanted=rule.looks[0])
    for place, n in enumerate(rule.looks):
        looked = tuple(order[:n])
        if broken := [failed[seed] for seed in looked if failed.get(seed)]:
            reached = replace(reached, outcome="ended", ended=broken[0])
            break
        if not all(seed in ours and seed in baseline for seed in looked):
            break
        deltas, replaced = [ours[seed] - baseline[seed] for seed in looked], seeds.index(looked[-1]) + 1 - n
        delta = paired([ours[seed] for seed in looked], [baseline[seed] for seed in looked], outside=differs[place])
        reached = Interim(
            outcome="open",
            look=place + 1,
            wanted=n,
            looked=looked,
            delta=delta,
            limit=differs[place],
            tost=tost(delta, margin) if margin is not None else None,
            tost_limit=same[place] / 2 if same is not None else None,
            p_failed=p_different(deltas, replaced) if replaced else math.nan,
            tost_failed=p_equivalent(deltas, replaced, margin) if replaced and margin is not None else math.nan,
        )
        outcome = _outcome(reached, rule)
        reached = replace(reached, outcome=outcome, wanted=n if outcome != "open" else rule.looks[place + 1])
        if outcome != "open":
            break
    due = tuple(order[: reached.wanted])
    return replace(reached, due=due, passed=tuple(passed[: seeds.index(due[-1]) + 1 - len(due)]))


def _outcome(reached: Interim, rule: Stopping) -> Outcome:
    """Say whether a row stops at the look that it has reached, and why."""
    if reached.differs:
        return "different"
    if reached.within:
        return "equivalent"
    return "exhausted" if reached.look == len(rule.looks) else "open"


def interims(
    figures: Mapping[str, Mapping[int, float]], home: Mapping[str, str], study: Study, failed: Failed
) -> dict[str, Interim]:
    """Return where each row but the baselines stands, by row -> seed -> figure; empty without a stopping rule."""
    if study.stopping is None:
        return {}

    def walk(row: str, baseline: str) -> Interim:
        rule, told = study.stopping, dict[int, str]()
        for who, of in (("", row), (f"{baseline!r} ", baseline)):
            for seed, still in failed.get(of, {}).items():
                told[seed] = f"{who}failed at seed {seed}" if still else told.get(seed, "")
        assert rule is not None
        return interim(
            figures[row], figures[baseline], study.seed_list, rule, study.comparisons, study.margin, failed=told
        )

    return {row: walk(row, home[row]) for row in figures if row != home[row]}


def seeds_wanted(looks: Mapping[str, Interim], home: Mapping[str, str], study: Study) -> dict[str, tuple[int, ...]]:
    """Return the seeds that each row should have by now: all without a rule; a baseline's as many as any row needs."""
    if study.stopping is None:
        return dict.fromkeys(study.rows, study.seed_list)
    first = study.seed_list[: study.stopping.looks[0]]
    needed = {row: set(looks[row].due) if row in looks else set() for row in study.rows}
    for row, look in looks.items():
        needed[home[row]] |= set(look.due)
    return {row: tuple(seed for seed in study.seed_list if seed in (needed[row] or first)) for row in study.rows}


def failures(records: Sequence[Record]) -> Failed:
    """Return the seeds at which each row has a failed run, or one that failed before it was complete."""
    failed: dict[str, dict[int, bool]] = {}
    for record in records:
        still = record.state == "failed"
        if still or (record.result and causes_of_failures(record.manifest)):
            failed.setdefault(record.row, {})[record.run.seed] = still
    return failed


def standing(study: Study, records: Sequence[Record]) -> dict[str, Interim]:
    """Return where each row but the baselines stands by these records; empty without a stopping rule."""
    figures: dict[str, dict[int, float]] = {row: {} for row in study.rows}
    if study.stopping is None:
        return {}
    for record in records:
        if record.result and (figure := record.result.figure(study.metric)) is not None:
            figures[record.row][record.run.seed] = figure
    return interims(figures, homes(study), study, failures(records))


def due(study: Study, records: Sequence[Record]) -> list[Record]:
    """Return the records of those runs that the study wants by now: all of them unless a stopping rule says else.

    Those that have failed are among them also where a spare seed stands in for them.
    """
    wanted = seeds_wanted(standing(study, records), homes(study), study)
    return [record for record in records if record.run.seed in wanted[record.row] or record.state == "failed"]


def ends(looks: Mapping[str, Interim]) -> list[str]:
    """Say which failed runs have ended which rows, as `BAM, SE: ended: 'none' failed at seed 5`."""
    rows: dict[str, list[str]] = {}
    for row, look in looks.items():
        if look.outcome == "ended":
            rows.setdefault(look.ended, []).append(row)
    return [f"{', '.join(of)}: ended: {ended}" for ended, of in rows.items()]
