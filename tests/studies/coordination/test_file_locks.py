"""Schedulers of one runs folder."""

from __future__ import annotations

import pytest

from studies.coordination.leases import Leases
from tests.studies.coordination.contract import CoordinationContract


class TestFileLocks(CoordinationContract):
    @pytest.fixture
    def leases(self, tmp_path):
        return lambda _: Leases(tmp_path)

    def dies(self, lease, _):
        lease.let_go()
