"""What a study has taken in all: also what failed, what was trained twice, and the search that found its rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from analysis.environment import device_seconds
from lightning_bam.run_folder.manifest import Attempt
from studies.definition.study import Study
from studies.records.purpose import searched
from studies.records.records import Record
from studies.search.confirm import name_of


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Device-hours: wall time times devices, of `complete` runs' epochs, and what was spent beside them.

    `beside` is what these runs took beyond: start-up, and what an interruption had them train twice. `unused` is of
    attempts that no figure rests on, and of runs that are not complete; `search` of the `search_runs` of the search
    that has found the study's rows. Of `untold` attempts nobody noted the end: they count with the epochs that are
    left of them.
    """

    complete: float = 0.0
    beside: float = 0.0
    unused: float = 0.0
    search: float = 0.0
    search_runs: int = 0
    untold: int = 0

    @property
    def total(self) -> float:
        """All of it."""
        return self.complete + self.beside + self.unused + self.search


def spent(study: Study, records: Sequence[Record]) -> Spent:
    """Return what the records tell: not what was removed, nor attempts at a run before the last twenty."""
    ours = [_hours(record) for record in records if record.state != "missing"]
    search: list[Record] = []
    if records and study.name.startswith("confirm-"):
        search = searched(records[0].folder.path.parent, lambda label: name_of(label) == study.name)
    theirs = [_hours(record) for record in search]
    return Spent(
        complete=sum(complete for complete, *_ in ours),
        beside=sum(beside for _, beside, *_ in ours),
        unused=sum(unused for _, _, unused, _ in ours),
        search=sum(complete + beside + unused for complete, beside, unused, _ in theirs),
        search_runs=len(search),
        untold=sum(untold for *_, untold in (*ours, *theirs)),
    )


def _hours(record: Record) -> tuple[float, float, float, int]:
    """Return a run's `complete`, `beside`, `unused` and `untold`."""
    manifest = record.manifest
    attempts = manifest.attempts or list(manifest.effective)
    effective = list(manifest.effective)
    before = attempts[: len(attempts) - len(effective)]
    held = [_seconds(attempt) for attempt in effective]
    if record.state == "complete" and held[-1] is None:  # older versions noted this end alone
        held[-1] = _seconds(effective[-1].model_copy(update={"ended": manifest.ended}))
    untold = sum(one is None for one in held)
    if untold:
        held = [epochs if one is None else one for one, epochs in zip(held, _epochs(record, effective), strict=True)]
    took = sum(one for one in held if one is not None)
    earlier = [_seconds(attempt) for attempt in before]
    unused, untold = sum(one or 0.0 for one in earlier), untold + sum(one is None for one in earlier)
    if record.state != "complete":
        return 0.0, 0.0, (unused + took) / 3600, untold
    complete = device_seconds(record)
    if complete is None:  # nobody noted on how many devices
        return 0.0, 0.0, unused / 3600, untold
    return complete / 3600, max(took - complete, 0.0) / 3600, unused / 3600, untold


def _seconds(attempt: Attempt) -> float | None:
    """Return how long an attempt took its devices; None where its end, or their number, is not noted."""
    if attempt.started is None or attempt.ended is None or attempt.devices is None:
        return None
    return max((_time(attempt.ended) - _time(attempt.started)).total_seconds(), 0.0) * attempt.devices


def _time(text: str) -> datetime:
    """Return when that was; without a zone, UTC, as all that we write."""
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _epochs(record: Record, attempts: Sequence[Attempt]) -> Iterable[float]:
    """Yield for each of these attempts the seconds of the epochs that it finished, times its devices."""
    begins = [attempt.from_epoch or 0 for attempt in attempts] + [len(record.metrics)]
    for attempt, (first, end) in zip(attempts, pairwise(begins), strict=True):
        yield sum(float(line.get("seconds", 0.0)) for line in record.metrics[first:end]) * (attempt.devices or 1)
