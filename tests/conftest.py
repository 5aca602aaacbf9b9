"""What every test shares: a cache of its own, empty at the start of the session, torch's seed, and one thread each."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

# how long an example takes is the machine's business: the first one may load a library beside other work
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

os.environ.setdefault("OMP_NUM_THREADS", "1")
"""Several processes test at once: with a thread for each core in each of them, threads wait for one another, and the
tests of networks take four times as long."""

for number, usual in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(number) is signal.SIG_IGN:  # begun under nohup, or by a script in the background: the commands
        signal.signal(number, usual)  # that tests start and interrupt would leave them ignored, as they should

LONGEST = (
    *("test_nodes", "test_kill", "test_source", "test_sweep", "test_outages", "test_send", "test_death", "test_chaos"),
    *("test_kept", "test_wandb_run", "test_catalogue", "test_cli", "test_resume", "test_hosts", "test_page"),
    *("test_submit", "test_bundle", "test_own_module", "test_connection", "test_every_kind", "test_in_notebooks"),
    *("test_links", "test_scheduler", "test_another_user", "test_shadows", "test_ranks", "test_overfit"),
)
"""Files that take the longest, in order: the process that begins one late would be alone at the end."""


def pytest_collection_modifyitems(items):
    """Begin with the files that take the longest; the others stay in order."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory):
    """Keep counts between the tests of a session, and away from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        base = tmp_path_factory.getbasetemp()
        if "PYTEST_XDIST_WORKER" in os.environ:
            base = base.parent  # what one process counts, the other finds
        patch.setenv("BAM_CACHE", str(base / "counts"))
        yield


@pytest.fixture(autouse=True)
def no_width(monkeypatch):
    """Let no table be as narrow as the terminal that the tests are called in."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def forget_own_classes():
    """Let no test know the classes of a study's file that another test has read."""
    yield
    if spec := sys.modules.get("lightning_bam.config.spec"):
        spec.forget_own()


@pytest.fixture(autouse=True)
def seed():
    """Let no test depend on what ran before it in the same process."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)
