"""Before the first run: what a study's seeds, or its stopping rule, would make of a difference that somebody names."""

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.planning.resolvable import looks_of
from analysis.statistics.power import paired_power, seeds_for_equivalence, seeds_needed
from analysis.statistics.sequential import SIMULATED, stops
from analysis.table.verdict import LEVEL
from studies.definition.stopping import Stopping
from studies.definition.study import Study


@dataclass(frozen=True, kw_only=True)
class LookForecast:
    """One look at `seeds` seeds: a Δ seen of `meets` percentage points or more stops a row there as different.

    `stops` is the share of rows that do so if the true difference is the one named, `by_then` that of this and the
    looks before, `equivalent` the share that stops as equivalent if there is no difference; None without a margin.
    """

    seeds: int
    meets: float
    stops: float
    by_then: float
    equivalent: float | None


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What becomes of rows whose true difference is `resolve` percentage points, the sd of paired differences `sd`.

    `power` is how many of them the study's own seeds, or its rule, resolve, where `comparisons` rows share the level;
    `hours` are device-hours, None where no run tells its length.
    """

    resolve: float
    sd: float
    comparisons: int
    margin: float | None
    power: float | None
    hours: float | None


@dataclass(frozen=True, kw_only=True)
class Fixed(Forecast):
    """Without a rule: `seeds` resolve the difference with 80 % power and cost `hours`; None for more than 1,000.

    So many call a row without any difference equivalent within the margin: `seeds_equivalent`, None without one.
    """

    seeds: int | None
    seeds_equivalent: int | None


@dataclass(frozen=True, kw_only=True)
class ByRule(Forecast):
    """By a rule a row gets `seeds` on average, `seeds_if_none` where there is no difference; at most `hours` in all.

    Shares and seeds are those of `simulated` rows.
    """

    looks: tuple[LookForecast, ...]
    seeds: float
    seeds_if_none: float
    simulated: int


def forecast(study: Study, resolve: float, sd: float, hours: Mapping[str, float]) -> Forecast:
    """Return what the study would make of a true difference; `hours` are row -> device-hours a run, where known."""
    level = (LEVEL if study.stopping is None else study.stopping.level) / study.comparisons
    a_seed = sum(hours[row] for row in study.rows) if study.rows.keys() <= hours.keys() else None
    if study.stopping is not None:
        return _by_rule(study, study.stopping, resolve, sd, level, a_seed)
    seeds, n = seeds_needed(resolve, sd, level), len(study.seed_list)
    return Fixed(
        resolve=resolve,
        sd=sd,
        comparisons=study.comparisons,
        margin=study.margin,
        power=paired_power(resolve / sd, n, level) if n > 1 else None,
        hours=None if a_seed is None or seeds is None else seeds * a_seed,
        seeds=seeds,
        seeds_equivalent=None if study.margin is None else seeds_for_equivalence(study.margin, 0.0, sd, level),
    )


def _by_rule(study: Study, rule: Stopping, resolve: float, sd: float, level: float, a_seed: float | None) -> ByRule:
    margin = None if study.margin is None else study.margin / sd
    found, none = (stops(rule.looks, level, rule.spending, effect, margin) for effect in (resolve / sd, 0.0))
    looks, by_then = [], 0.0
    for place, look in enumerate(looks_of(rule, study.comparisons)):
        by_then += found.different[place]
        looks.append(
            LookForecast(
                seeds=look.n,
                meets=look.meets * sd,
                stops=found.different[place],
                by_then=by_then,
                equivalent=None if margin is None else none.equivalent[place],
            )
        )
    return ByRule(
        resolve=resolve,
        sd=sd,
        comparisons=study.comparisons,
        margin=study.margin,
        power=by_then,
        hours=None if a_seed is None else rule.most * a_seed,
        looks=tuple(looks),
        seeds=found.seeds,
        seeds_if_none=none.seeds,
        simulated=SIMULATED,
    )
