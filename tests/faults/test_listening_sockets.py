"""A run over several ranks of one host: it listens on loopback alone, and runs nothing that is sent to it."""

from __future__ import annotations

import base64
import os
import pickle
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import psutil
import pytest
from torch.distributed import TCPStore

from studies.engine.run_study import run_study
from studies.engine.scheduler import Options
from studies.job.devices import Slot
from studies.records.records import gather
from studies.workers.rendezvous import Rendezvous, interface
from tests.studies.conftest import tiny


class Attack:
    """A pickle that leaves a file where it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def one_run(epochs):
    study = tiny(seeds=1)
    rows = {"none": replace(study.rows["none"], recipe=replace(study.rows["none"].recipe, epochs=epochs))}
    return tiny(seeds=1, rows=rows, scientific=())


def listeners():
    """Return address -> port of each socket on which a process of this test listens for others."""
    mine = psutil.Process()
    ours = {process.pid for process in mine.children(recursive=True)}
    return {
        (one.laddr.ip, one.laddr.port)
        for one in psutil.net_connections("inet")
        if one.status == psutil.CONN_LISTEN and one.pid in ours
    }


@contextmanager
def watched():
    """Gather what `listeners` sees from now on, from a thread: an attack holds the scheduler up for seconds."""
    seen, over = set(), threading.Event()

    def watch():
        while not over.wait(0.02):
            seen.update(listeners())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_a_run_of_two_ranks_listens_on_loopback_alone_and_runs_nothing_that_is_sent(tmp_path, monkeypatch):
    """Whatever the environment says: other hosts cannot reach it, and who can, on this host, runs nothing in it."""
    told = set()
    outside = [name for name in psutil.net_if_addrs() if name != interface("127.0.0.1")]
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        monkeypatch.setenv(name, (outside or ["none0"])[0])
    monkeypatch.setenv("MASTER_ADDR", "0.0.0.0")
    mark = tmp_path / "ran"

    def look(progress):
        for _, port in listeners():
            if port in told:
                continue
            told.add(port)
            with suppress(RuntimeError, ValueError):  # sockets of gloo's are no stores
                attack(port, progress.active[0].cell.run.key, mark)

    study = one_run(epochs=8)
    with watched() as seen:
        progress = run_study(study, tmp_path / "runs", Options(slots=[Slot(2)], wandb="offline"), look)
    assert progress.failed == []
    assert gather(study, tmp_path / "runs")[0].state == "complete"
    assert {address for address, _ in seen} == {"127.0.0.1"}
    assert len(seen) >= 3, "the store, and a socket for each rank"
    assert told
    assert not mark.exists()


def attack(port, run_id, mark):
    """Put pickles where torch's dynamic rendezvous keeps its state, and where its launcher looks for the ranks'."""
    store = TCPStore("127.0.0.1", port, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=1))
    evil = pickle.dumps(Attack(mark))
    store.set(f"torch.rendezvous.{run_id}", base64.b64encode(evil))  # as torch's c10d rendezvous reads it
    for name in ("role_info/0", "assigned_ranks/0", "agent/terminal_state"):
        store.set(f"{run_id}/torchelastic/{name}", evil)


@pytest.mark.parametrize("address", ["203.0.113.9", "198.51.100.7"])  # addresses that documents use, and nobody has
def test_an_address_that_this_host_lacks_is_refused(address):
    with pytest.raises(OSError, match="no network interface of this host has the address|Cannot assign"):
        interface(address)
    with pytest.raises(OSError, match="Cannot assign requested address"), Rendezvous(address=address).open():
        pass


def test_rendezvous_ports_are_closed_when_the_run_is_over():
    before = len(psutil.Process().net_connections("tcp"))
    with Rendezvous().open() as meeting:
        _, _, port = meeting["rdzv_endpoint"].rpartition(":")
        there = [one.laddr for one in psutil.Process().net_connections("tcp") if one.status == psutil.CONN_LISTEN]
        assert ("127.0.0.1", int(port)) in [tuple(one) for one in there]
        assert meeting["rdzv_backend"] == "static"
    assert len(psutil.Process().net_connections("tcp")) == before
