"""Runs that two nodes train together; here both are this machine, with one CPU rank each."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest

from analysis.cli import main
from lightning_bam.folder import RunFolder
from studies.devices import Slot
from studies.engine import run_study
from studies.error import StudyError
from studies.nodes import Leader, NodeGoneError, Nodes, follow
from studies.processes import end_all, forkserver
from studies.records import gather
from studies.scheduler import Options
from studies.together import interface
from tests.studies.conftest import silent, tiny


def long(epochs=6):
    """Return a study of one row besides the baseline, and one seed."""
    study = tiny(seeds=1)
    rows = {label: replace(run, recipe=replace(run.recipe, epochs=epochs)) for label, run in study.rows.items()}
    return tiny(seeds=1, rows=rows)


def wild():
    """Return a study whose runs all fail."""
    rows = {label: replace(run, recipe=replace(run.recipe, lr=1e30)) for label, run in tiny().rows.items()}
    return tiny(name="wild", seeds=1, rows=rows)


@contextmanager
def two_nodes():
    """Start a second node, and yield the options by which this one leads, and the second one's process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    first = Nodes(count=2, rank=0, host="127.0.0.1", port=port)
    second = forkserver().Process(target=follow, args=(replace(first, rank=1),))
    second.start()
    try:
        with Leader(first, patience=60) as leader:
            yield Options(slots=[Slot(1, nodes=2)], wandb="off", start=leader.start), psutil.Process(second.pid)
    finally:
        second.join(15)
        end_all([second], 1.0)


def figures(study, root):
    return [[{**line, "seconds": None} for line in record.metrics] for record in gather(study, root)]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Return the figures of one node with two ranks."""
    root = tmp_path_factory.mktemp("unbroken")
    progress = run_study(long(), root, Options(slots=[Slot(2)], wandb="off"), silent)
    assert len(progress.finished) == 2, progress.failed
    return figures(long(), root)


def test_two_nodes_train_as_one_and_survive_what_fails(unbroken, tmp_path):
    """A run equals that of one node with two ranks, bit for bit; then all runs fail; then a rank is killed."""
    with two_nodes() as (options, second):
        run_study(long(), tmp_path / "first", options, silent)
        assert figures(long(), tmp_path / "first") == unbroken
        for record in gather(long(), tmp_path / "first"):
            assert (record.manifest["world_size"], record.manifest["attempt"]) == (2, 1)
            assert {"rank0.log", "rank1.log", "launcher.log", "launcher1.log"} <= {
                path.name for path in record.folder.path.iterdir()
            }

        progress = run_study(wild(), tmp_path / "first", options, silent)
        assert ["loss is nan" in reason for _, reason in progress.failed] == [True, True], progress.failed

        killed = []

        def kill_a_rank(progress):
            for active in progress.active:
                if active.seen >= 2 and not killed:
                    log = str(active.folder.path / "rank1.log")
                    theirs = [child for child in second.children(recursive=True) if logs_to(child, log)]
                    theirs[0].kill()
                    killed.append(active.cell.run.key)

        progress = run_study(long(), tmp_path / "second", options, kill_a_rank)
        assert len(killed) == 1
        assert (len(progress.finished), progress.failed) == (2, [])
        assert figures(long(), tmp_path / "second") == unbroken
        attempts = {
            r.run.key: [a["from_epoch"] for a in r.manifest["attempts"]] for r in gather(long(), tmp_path / "second")
        }
        assert len(attempts.pop(killed[0])) == 2
        assert list(attempts.values()) == [[0]]
    assert not second.is_running()


def logs_to(process, log):
    """Say whether a process prints to that file."""
    try:
        return log in [file.path for file in process.open_files()]
    except psutil.Error:
        return False


def test_the_second_node_leaves_soon_after_the_first(tmp_path):
    theirs, left = [], []

    def first_leaves():
        def leave(progress):
            for active in progress.active:
                if active.seen >= 2:
                    theirs.extend([*second.children(recursive=True), second])
                    left.append(time.monotonic())
                    raise KeyboardInterrupt

        with two_nodes() as (options, second):
            run_study(long(), tmp_path, options, leave)

    with pytest.raises(KeyboardInterrupt):
        first_leaves()
    assert time.monotonic() - left[0] < 15
    assert len(theirs) >= 4, "follower, its server, a launcher, a rank"
    _, alive = psutil.wait_procs(theirs, timeout=5)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert "lost" in [record.state for record in gather(long(), tmp_path)]


class TestMeeting:
    def test_gloo_is_told_the_interface_by_which_the_nodes_have_met(self):
        assert interface("127.0.0.1") in psutil.net_if_addrs()
        assert interface("203.0.113.9") is None  # an address that documents use, and nobody has

    def test_a_stranger_at_the_port_is_left_alone_and_a_node_that_does_not_come_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        nodes = Nodes(count=2, rank=0, host="127.0.0.1", port=port)

        def strangers():
            for said in (b"GET / HTTP/1.0\n", b'{"node": 7, "nodes": 2}\n', b'{"node": 1, "nodes": 3}\n'):
                time.sleep(0.1)
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.sendall(said)

        thread = threading.Thread(target=strangers)
        thread.start()
        with pytest.raises(NodeGoneError, match=f"^node 1 did not come to 127.0.0.1:{port} in 1 s$"):
            Leader(nodes, patience=1).__enter__()
        thread.join()

    def test_a_first_node_that_does_not_answer_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            nodes = Nodes(count=2, rank=1, host="127.0.0.1", port=server.getsockname()[1])
        with pytest.raises(NodeGoneError, match=f"^node 0 at {nodes} does not answer .Connection refused.$"):
            follow(nodes, patience=0.1)

    def test_a_port_that_is_taken_is_said(self):
        with socket.create_server(("", 0)) as server:
            nodes = Nodes(count=2, rank=0, host="127.0.0.1", port=server.getsockname()[1])
            with pytest.raises(
                StudyError, match=f"^--rendezvous {nodes}: cannot listen there .Address already in use.$"
            ):
                Leader(nodes).__enter__()

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ([], "--nodes 2: give --node-rank and --rendezvous HOST:PORT, too"),
            (["--node-rank", "2", "--rendezvous", "a:1"], "--node-rank 2: give a number from 0 to 1 with --nodes 2"),
            (["--node-rank", "0", "--rendezvous", "node1"],
             "--rendezvous node1: give the first node's HOST:PORT, as node1:29500"),
        ],
    )  # fmt: skip
    def test_arguments_that_cannot_be_are_said_in_one_line(self, more, said, capsys, tmp_path):
        assert main(["worker", "quickstart", "--root", str(tmp_path), "--nodes", "2", *more]) == 2
        assert capsys.readouterr().err == f"bam: {said}\n"


def test_a_batch_that_all_ranks_cannot_share_is_refused_before_anything_starts(tmp_path):
    study = tiny(seeds=1)
    rows = {label: replace(run, recipe=replace(run.recipe, batch_size=62)) for label, run in study.rows.items()}
    with pytest.raises(Exception, match="62"):
        run_study(tiny(seeds=1, rows=rows), tmp_path, Options(slots=[Slot(2, nodes=2)], wandb="off"), silent)
    assert RunFolder.of(tmp_path, next(iter(rows.values()))).state() == "missing"
