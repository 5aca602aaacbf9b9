"""Schedulers of hosts that share a database, each with a runs folder of its own."""

from __future__ import annotations

import pytest

from studies.coordination.leases import Leases
from tests.studies.coordination.contract import CoordinationContract


class TestRegistry(CoordinationContract):
    @pytest.fixture
    def leases(self, tmp_path, postgres):
        return lambda name: Leases(tmp_path / name, postgres)

    def dies(self, lease, two):
        lease.let_go()
        two.coordination.grace = 0.0
