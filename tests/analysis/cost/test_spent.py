"""Device-hours of a study in all, by hand; runs are four epochs of 10, 20, 30 and 40 s."""

from __future__ import annotations

import pytest

from analysis.cost.spent import Spent, spent
from analysis.cost.study import total
from lightning_bam.run_folder.manifest import Attempt, Manifest
from tests.analysis.synthetic import STUDY
from tests.analysis.test_environment import SECONDS
from tests.analysis.test_environment import record as complete


def attempt(start, end, ranks=1, **entries):
    """Return an attempt from so many seconds after noon to so many, None where its end is not noted."""
    clock = [None if at is None else f"2026-01-02T12:{at // 60:02}:{at % 60:02}+00:00" for at in (start, end)]
    return Attempt(started=clock[0], ended=clock[1], world_size=ranks, **entries)


def record(attempts, state="complete", epochs=4, **entries):
    made = complete(finished=state == "complete")
    made = type(made)(**{**{name: getattr(made, name) for name in made.__dataclass_fields__}, "state": state})
    made.__dict__["metrics"] = [{"epoch": e, "seconds": s} for e, s in enumerate(SECONDS[:epochs])]
    made.__dict__["manifest"] = Manifest(attempts=attempts, **entries)
    return made


@pytest.mark.parametrize(
    ("made", "seconds"),
    [
        (record([attempt(0, 105)]), (100, 5, 0, 0)),
        (record([attempt(0, 105, ranks=2)]), (200, 10, 0, 0)),
        (record([attempt(0, 105, runs_per_device=5)]), (20, 1, 0, 0)),
        # 42 s: epochs of 10 and 20 s and a part of the third, which is trained again
        (record([attempt(0, 42), attempt(60, 140, from_epoch=2)]), (100, 22, 0, 0)),
        # killed outright: what is known is its two epochs
        (record([attempt(0, None), attempt(60, 140, from_epoch=2)]), (100, 10, 0, 1)),
        (record([attempt(0, 50, failed="x"), attempt(60, 165, anew=True)]), (100, 5, 50, 0)),
        (record([attempt(0, None, failed="x"), attempt(60, 165, anew=True)]), (100, 5, 0, 1)),
        (record([attempt(0, None)], ended="2026-01-02T12:01:45+00:00"), (100, 5, 0, 0)),  # of an older version
        (record([attempt(0, 75, ranks=2)], state="failed", epochs=3), (0, 0, 150, 0)),
        (record([attempt(0, None, ranks=2)], state="running", epochs=2), (0, 0, 60, 1)),
        (record([attempt(0, 33)], state="interrupted", epochs=2), (0, 0, 33, 0)),
        (record([attempt(0, 105, ranks=None)]), (0, 0, 0, 1)),
        (record([attempt(50, 0)], state="failed"), (0, 0, 0, 0)),  # a clock that was put back
        (record([], state="missing"), (0, 0, 0, 0)),
    ],
)
def test_what_a_run_took(made, seconds):
    took = spent(STUDY, [made])
    found = (3600 * took.complete, 3600 * took.beside, 3600 * took.unused)
    assert found == pytest.approx(seconds[:3])
    assert took.untold == seconds[3]
    assert took.total == pytest.approx(sum(seconds[:3]) / 3600)


def test_dates_with_and_without_a_zone():
    made = Attempt(started="2026-01-02T12:00:00", ended="2026-01-02T13:01:00+01:00", world_size=1)
    assert 3600 * spent(STUDY, [record([made], state="failed")]).unused == pytest.approx(60)


def test_it_is_told_in_a_line():
    assert total(Spent()) == "The study took 0 device-hours: 0 in epochs of complete runs."
    took = Spent(complete=1.0, beside=0.25, unused=0.5, search=2.0, search_runs=60, untold=2)
    assert total(took) == (
        "The study took 3.75 device-hours: 1.00 in epochs of complete runs, 0.250 in their start-up and in epochs "
        "trained twice, 0.500 in attempts that failed and runs that are not complete, 2.00 in 60 runs of the search; "
        "of 2 attempts nobody noted the end: these may be more."
    )
