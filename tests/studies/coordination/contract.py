"""What every way to coordinate schedulers keeps: a test class of one inherits `CoordinationContract`."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from lightning_bam.run_folder.folder import RunFolder
from studies.coordination.retries import ended, failures
from tests.analysis.synthetic import finish
from tests.studies.conftest import BASE


def failure_of(leases):
    """Return which attempt of the run has failed by now, as this host has it."""
    return failures(leases.root, [BASE], leases.coordination.entries())[BASE.key]


class CoordinationContract:
    """`leases(name)` are those of one scheduler; `dies(lease, two)` has its process be gone without a word to two."""

    @pytest.fixture
    def one(self, leases):
        with closing(leases("one")) as made:
            yield made

    @pytest.fixture
    def two(self, leases):
        with closing(leases("two")) as made:
            yield made

    def test_a_run_is_taken_by_one_of_many_at_once(self, leases):
        taken, start = [], threading.Barrier(4)

        def take(name):
            with closing(leases(name)) as mine:
                start.wait()
                if (lease := mine.take(BASE)) is not None:
                    taken.append((name, lease))
                start.wait()
                if lease is not None:
                    lease.let_go()

        threads = [threading.Thread(target=take, args=(name,)) for name in ("one", "two", "three", "four")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(taken) == 1

    def test_what_is_given_back_unfinished_is_free(self, one, two):
        lease = one.take(BASE)
        assert two.take(BASE) is None
        assert one.taken_over() == set()
        lease.folder.note(state="interrupted")
        lease.let_go()
        one.give_back(BASE.key)
        assert two.take(BASE) is not None

    def test_what_is_complete_is_nobodys(self, one, two):
        lease = one.take(BASE)
        finish(one.root, BASE, 15.0)
        lease.let_go()
        one.give_back(BASE.key)
        for leases in (one, two):
            assert ended(leases.root, [BASE], leases.coordination.entries()) == {BASE.key}
        assert two.take(BASE) is None
        assert one.take(BASE) is None

    def test_what_has_failed_is_made_again_once_and_by_who_knows_of_it(self, one, two):
        def fails(leases, failed=None):
            lease = leases.take(BASE, again=failed)
            if lease is not None:
                lease.folder.note(state="failed", error="training loss is nan")
                lease.let_go()
                leases.give_back(BASE.key)
            return lease is not None

        assert fails(one)
        assert not fails(two)
        here, there = failure_of(one), failure_of(two)
        assert fails(one, here)
        assert not fails(two, there), "it was retried meanwhile"
        assert fails(two, failure_of(two)), "who retries from now on means the later one"

    def test_what_a_dead_one_had_is_free_and_counted(self, one, two):
        lease = one.take(BASE)
        lease.folder.note(state="running", attempts=[{"from_epoch": 0}])
        self.dies(lease, two)
        again = two.take(BASE)
        assert again is not None
        assert RunFolder.of(two.root, BASE).manifest().losses == 1
        assert one.take(BASE) is None
        again.let_go()
