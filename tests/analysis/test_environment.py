"""Device-hours by hand."""

from __future__ import annotations

import pytest

from analysis.checks.notes import device_time, three_digits
from analysis.environment import device_hours, device_seconds
from lightning_bam.config import BAMSpec, Run
from lightning_bam.run_folder.manifest import Attempt, Manifest
from lightning_bam.run_folder.result import Result
from studies.records.records import Record

SECONDS = [10.0, 20.0, 30.0, 40.0]


def record(*attempts, finished=True):
    """Return a run of four epochs with these attempts: (ranks, first epoch), and how many runs share their devices."""
    result = Result(
        error_top1=1.0,
        error_top5=1.0,
        correct_top1=1,
        correct_top5=1,
        scored=1,
        loss=1.0,
        epochs=4,
        params=1,
        macs=1,
        seconds=sum(SECONDS),
    )
    made = Record(
        row="BAM",
        run=Run(attention=BAMSpec()),
        folder=None,
        state="complete",
        result=result if finished else None,
        epochs=4,
    )
    made.__dict__["metrics"] = [{"epoch": epoch, "seconds": seconds} for epoch, seconds in enumerate(SECONDS)]
    made.__dict__["manifest"] = Manifest(
        attempts=[
            Attempt(world_size=n, from_epoch=first, runs_per_device=shared[0] if shared else None)
            for n, first, *shared in attempts
        ]
    )
    return made


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [
        ([(1, 0)], 100.0),
        ([(4, 0)], 400.0),
        ([(4, 0), (4, 2)], 400.0),
        ([(4, 0), (1, 1)], 4 * 10 + 90),
        ([(1, 0), (2, 2), (8, 3)], 10 + 20 + 2 * 30 + 8 * 40),
        ([(2, 0), (1, 0)], 100.0),  # the first attempt did not finish an epoch
        ([(2, 0), (1, 4)], 200.0),  # nothing was left to train
        ([(1, 0, 8)], 12.5),
        ([(2, 0, 8), (2, 2, 1)], 2 / 8 * 30 + 2 * 70),
        ([(None, 0, 8)], None),
        ([(None, 0)], None),
        ([(2, 0), (None, 1)], None),
    ],
)
def test_each_epoch_counts_with_the_devices_on_which_it_was_finished(attempts, seconds):
    assert device_seconds(record(*attempts)) == seconds


def test_hours_are_of_the_finished_runs_that_are_known():
    runs = [record((2, 0)), record((1, 0)), record((None, 0)), record((1, 0), finished=False)]
    assert device_hours(runs) == (300 / 3600, 2)
    (said,) = device_time(runs[:3])
    assert said.startswith("Training took 0.0833 device-hours of 2 of the 3 finished runs: wall time of all epochs, ")
    assert device_hours([record((None, 0))]) == device_hours([]) == (0, 0)
    assert device_time([]) == []


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (0.0, "0"),
        (0.012345, "0.0123"),
        (1, "1.00"),
        (4.557, "4.56"),
        (99.96, "100.0"),
        (789.4, "789"),
        (12345, "12,300"),
    ],
)
def test_hours_have_three_digits(hours, text):
    assert three_digits(hours) == text
