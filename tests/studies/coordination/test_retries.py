"""Losses that nobody is left to count: a run whose scheduler goes with it, again and again."""

from __future__ import annotations

import os

import pytest

from lightning_bam import train
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import MOST
from studies.coordination import retries
from studies.coordination.leases import Leases
from studies.coordination.retries import TABLE, Change, count_interruption
from tests.studies.conftest import BASE
from tests.studies.coordination.contract import failure_of

LOGS = "see its logs, then --retry failed"


def test_the_docstring_prints_the_table():
    lines = [line for line in retries.__doc__.splitlines() if "->" in line]
    head, *rows = [line.replace("->", " ") for line in lines]
    starts = [head.index(word) for word in head.split()]
    starts[2] = head.rindex("state")
    printed = {}
    for row in rows:
        cells = [row[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]
        printed[cells[0], cells[1]] = Change(*cells[2:])
    assert printed == TABLE
    assert set(retries.ENDED) == {"complete", "failed"} - {state for event, state in TABLE if event == "take"}


@pytest.fixture
def leases(tmp_path):
    return Leases(tmp_path)


def dies(leases, *, epochs=0, resumed=False, state="running"):
    """Begin an attempt that goes with its scheduler after so many more epochs; say whether it could be begun."""
    lease = leases.take(BASE)
    if lease is None:
        return False
    folder = lease.folder
    done = len(folder.metrics())
    attempt = {} if resumed else {"from_epoch": done}
    folder.note(state=state, attempts=[*folder.manifest().entries.get("attempts", []), attempt])
    for epoch in range(done, done + epochs):
        folder.append_epoch({"epoch": epoch, "error_top1": 50.0})
    os.close(lease.lock)
    return True


def test_a_run_that_takes_its_scheduler_with_it_has_failed_after_three_more_tries(leases):
    assert [dies(leases) for _ in range(6)] == [True] * 4 + [False] * 2
    folder = RunFolder.of(leases.root, BASE)
    assert folder.state() == "failed"
    assert folder.manifest().error == (
        "interrupted 4 times, the last time together with its scheduler, before an epoch had ended; see its logs, then "
        "--retry failed"
    )
    again = leases.take(BASE, again=failure_of(leases))
    assert again is not None
    assert (folder.manifest().state, folder.manifest().losses) == ("interrupted", 0)


def test_one_that_dies_before_it_says_where_it_goes_on_from_is_counted(leases):
    assert dies(leases, epochs=1)
    assert [dies(leases, resumed=True) for _ in range(6)] == [True] * 4 + [False] * 2


def test_counts_that_somebody_has_set_as_high_as_can_be_are_counted_on_and_can_be_read(leases):
    folder = RunFolder.of(leases.root, BASE)
    folder.describe(BASE)
    folder.note(state="failed", attempt=MOST, losses=MOST, retries=MOST)
    lease = leases.take(BASE, again=failure_of(leases))
    assert folder.manifest().retries == MOST
    assert train(lease.folder).epochs == 2
    assert (folder.manifest().attempt, folder.manifest().attempts[-1].attempt) == (MOST, MOST)
    folder.note(losses=MOST)
    assert (
        count_interruption(folder, 1) == f"interrupted {MOST} times, the last time its process left with code 1; {LOGS}"
    )
    assert folder.manifest().losses == MOST


def test_one_that_gets_on_is_never_given_up(leases):
    assert all(dies(leases, epochs=1) for _ in range(9))
    assert RunFolder.of(leases.root, BASE).manifest().losses == 0


def test_one_that_was_told_to_leave_or_was_counted_is_not_counted_again(leases):
    assert all(dies(leases, state="interrupted") for _ in range(9))
