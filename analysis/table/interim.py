"""Where each row stands in a study whose seeds follow a stopping rule: computed from the results alone.

At each look the rows' differences from their baseline over the seeds of that look are held against the limits of
`analysis.statistics.sequential`, at the rule's level divided by the number of comparisons (Bonferroni: over all rows
and looks). With a margin, two one-sided tests (Schuirmann, 1987) are held against limits of their own, of the same
level: calling a row equivalent that is not is an error of another kind. A row that meets either limit has stopped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.cells import homes
from analysis.statistics.paired import PairedDifference, paired, tost
from analysis.statistics.sequential import limits
from studies.definition.stopping import Stopping
from studies.definition.study import Study
from studies.records.records import Record

Outcome = Literal["different", "equivalent", "open", "exhausted"]


@dataclass(frozen=True, kw_only=True)
class Interim:
    """One row at the last `look` that its results reach, counted from 1; 0 before the first.

    `open` rows want more seeds, `exhausted` ones have no look left; `wanted` seeds are those that the row stopped with,
    else those of the next look. `delta` is over the seeds of that look (None at look 0), with the repeated interval of
    Jennison and Turnbull (1989), of level 1 - `limit`, which holds over all looks and rows. A row differs where its p
    is at or below `limit`, and is equivalent where `tost`, the larger p of the two one-sided tests against the margin,
    is at or below `tost_limit`.
    """

    outcome: Outcome
    look: int
    wanted: int
    delta: PairedDifference | None = None
    limit: float | None = None
    tost: float | None = None
    tost_limit: float | None = None


def interim(
    ours: Mapping[int, float],
    baseline: Mapping[int, float],
    seeds: Sequence[int],
    rule: Stopping,
    comparisons: int,
    margin: float | None = None,
) -> Interim:
    """Walk through the looks of one row for as long as both it and its baseline have the `seeds`, in their order.

    `ours` and `baseline` are seed -> figure in percent; `comparisons` rows share the rule's level.
    """
    level = rule.level / comparisons
    differs = limits(rule.looks, level, rule.spending)
    same = limits(rule.looks, 2 * level, rule.spending) if margin is not None else None  # each test is one-sided
    reached = Interim(outcome="open", look=0, wanted=rule.looks[0])
    for place, n in enumerate(rule.looks):
        looked = seeds[:n]
        if not all(seed in ours and seed in baseline for seed in looked):
            break
        delta = paired([ours[seed] for seed in looked], [baseline[seed] for seed in looked], outside=differs[place])
        tost_p = tost(delta, margin) if margin is not None else None
        tost_limit = same[place] / 2 if same is not None else None
        outcome: Outcome = "open"
        if delta.p <= differs[place]:
            outcome = "different"
        elif tost_p is not None and tost_limit is not None and tost_p <= tost_limit:
            outcome = "equivalent"
        elif n == rule.most:
            outcome = "exhausted"
        reached = Interim(
            outcome=outcome,
            look=place + 1,
            wanted=n if outcome != "open" else rule.looks[place + 1],
            delta=delta,
            limit=differs[place],
            tost=tost_p,
            tost_limit=tost_limit,
        )
        if outcome != "open":
            break
    return reached


def interims(figures: Mapping[str, Mapping[int, float]], home: Mapping[str, str], study: Study) -> dict[str, Interim]:
    """Return where each row but the baselines stands, by row -> seed -> figure; empty without a stopping rule."""
    if study.stopping is None:
        return {}
    return {
        row: interim(ours, figures[home[row]], study.seed_list, study.stopping, study.comparisons, study.margin)
        for row, ours in figures.items()
        if row != home[row]
    }


def seeds_wanted(looks: Mapping[str, Interim], home: Mapping[str, str], study: Study) -> dict[str, tuple[int, ...]]:
    """Return the seeds that each row should have by now: all without a rule; a baseline's as many as any row needs."""
    if study.stopping is None:
        return dict.fromkeys(study.rows, study.seed_list)
    most = dict.fromkeys(home.values(), 0)
    for row, look in looks.items():
        most[home[row]] = max(most[home[row]], look.wanted)
    first = study.stopping.looks[0]
    return {row: study.seed_list[: looks[row].wanted if row in looks else most[row] or first] for row in study.rows}


def due(study: Study, records: Sequence[Record]) -> list[Record]:
    """Return the records of those runs that the study wants by now: all of them unless a stopping rule says else."""
    home = homes(study)
    figures: dict[str, dict[int, float]] = {row: {} for row in study.rows}
    for record in records:
        if record.result and (figure := record.result.figure(study.metric)) is not None:
            figures[record.row][record.run.seed] = figure
    wanted = seeds_wanted(interims(figures, home, study), home, study)
    return [record for record in records if record.run.seed in wanted[record.row]]
