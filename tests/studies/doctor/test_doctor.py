"""`bam doctor`: every fault is made for real and must be found, named by its value, and given its mend."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import optuna
import psutil
import pytest
import wandb

from analysis.cli import main
from lightning_bam.config import Run
from lightning_bam.cores import cores
from lightning_bam.run_folder.folder import RunFolder
from studies.doctor import Finding, Scene, accounts, disk, installation, leftovers, machine, network
from studies.doctor.examination import CHECKS, carefully
from studies.storage.journal import journal
from studies.workers.forkserver import forkserver


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "runs", None, forkserver())


BAM = [sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())"]


def only(findings) -> Finding:
    (finding,) = findings
    return finding


def distribution(folder: Path, name: str, version: str, *requires: str) -> None:
    """Install a distribution without code."""
    where = folder / f"{name}-{version}.dist-info"
    where.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    (where / "METADATA").write_text("\n".join(lines) + "\n")


def in_a_network_of_its_own(code: str) -> str:
    """Run code where the loopback is down and nothing else is there."""
    command = ["unshare", "-n", sys.executable, "-c", code]
    if (
        sys.platform != "linux"
        or subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("a network namespace of one's own needs Linux and root")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def small_disk(tmp_path):
    """A file system of half a MiB."""
    where = tmp_path / "small"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(where)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a file system needs root")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def test_a_healthy_place_is_left_as_it_was(tmp_path, scene):
    for check in (disk.files, disk.locks, leftovers.leases, leftovers.temporary, accounts.accounts):
        assert only(check(scene)).level in ("ok", "warning"), check
    assert only(disk.locks(scene)).found.endswith("keeps two processes apart")
    assert only(accounts.accounts(scene)).found == f"none yet under {tmp_path}/runs"
    assert not list(tmp_path.iterdir()), "the runs folder is not made, and the probe is gone"


def test_a_full_disk(small_disk, scene):
    scene = Scene(small_disk, None, scene.context)
    found = only(disk.files(scene))
    assert found.level == "problem"
    assert found.found == f"{small_disk}: cannot be written (No space left on device)"
    assert "choose another --root" in found.mend
    found = only(disk.space(scene))
    assert found.level == "problem"
    assert found.found.startswith(f"0.5 MiB free on {small_disk} (tmpfs) for {small_disk}; a checkpoint takes up to")
    assert not list(small_disk.iterdir())


def test_a_read_only_disk(small_disk, scene):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    scene = Scene(small_disk / "runs", None, scene.context)
    assert only(disk.files(scene)).found == f"{small_disk}: cannot be written (Read-only file system)"
    assert only(disk.locks(scene)).found == f"flock on {small_disk} (tmpfs) fails: Read-only file system"


def test_no_room_for_more_files(small_disk, scene):
    subprocess.run(["mount", "-o", "remount,nr_inodes=64,size=8g", str(small_disk)], check=True)
    found = only(disk.space(Scene(small_disk, None, scene.context)))
    assert found.level == "problem"
    assert "but only 63 more files fit (inodes)" in found.found


def test_a_temporary_folder_without_room(small_disk, scene, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    found = only(disk.temporary(scene))
    assert (found.level, found.found) == ("problem", f"0.5 MiB free in {small_disk}")
    assert found.mend.endswith("or set TMPDIR to a folder with room")
    subprocess.run(["mount", "-o", "remount,nr_inodes=64,size=8g", str(small_disk)], check=True)
    assert only(disk.temporary(scene)).found.endswith("but only 63 more files fit (inodes)")
    subprocess.run(["mount", "-o", "remount,nr_inodes=100000", str(small_disk)], check=True)
    assert only(disk.temporary(scene)).level == "ok"
    assert only(disk.temporary(Scene(small_disk, None, scene.context))).found == f"{small_disk} is on the same disk"


def test_ranks_without_room_to_meet_are_told_where_to_make_some():
    assert "make room in /dev/shm" in network.cure("OSError: [Errno 28] No space left on device")


def test_two_lightnings(tmp_path, monkeypatch, scene):
    if metadata.packages_distributions().get("lightning"):
        pytest.skip("both are installed here")
    ours = metadata.version("pytorch-lightning")
    assert only(installation.twins(scene)).level == "ok"
    distribution(tmp_path, "lightning", "2.6.1")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = only(installation.twins(scene))
    assert found.level == "problem"
    assert found.found.startswith(
        f"lightning 2.6.1 and pytorch-lightning {ours} are both installed: two Trainer classes"
    )
    assert found.mend == "pip uninstall lightning"


def test_versions_that_do_not_fit(tmp_path, monkeypatch, scene):
    good = only(installation.versions(scene))
    assert good.level == "ok"
    assert f"torch {metadata.version('torch')}, torchvision {metadata.version('torchvision')}" in good.found
    distribution(tmp_path, "torchvision", "0.40.0", "torch==2.99.0", "pillow", 'gdown>=4; extra == "gdown"')
    distribution(tmp_path, "psutil", "5.0.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {finding.found: finding for finding in installation.versions(scene)}
    torch = metadata.version("torch")
    pair = found[f"torch {torch}, but torchvision 0.40.0 needs ==2.99.0"]
    assert (pair.level, pair.mend) == ("problem", "pip install 'torch==2.99.0'")
    bound = next(f for text, f in found.items() if text.startswith("psutil 5.0.0, but lightning-bam "))
    assert bound.mend == "pip install 'psutil>=5.9'"
    assert len(found) == 2


def test_a_wandb_server_that_does_not_answer(monkeypatch, scene):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
    wandb.teardown()  # it keeps the settings that an earlier test has made it read
    found = only(installation.tracking(scene))
    assert found.level == "warning"
    assert found.found.startswith(
        "online, but 127.0.0.1:1 does not answer (Connection refused); each run waits up to 20 s"
    )
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert only(installation.tracking(scene)).found.startswith("offline (WANDB_MODE=offline)")


def test_a_loopback_that_is_down():
    out = in_a_network_of_its_own(
        "from studies.doctor import network\nfor f in network.ports(None): print(f.level, f.found, '|', f.mend)"
    )
    found, mend = out.split(" | ")
    assert found == "problem 127.0.0.1 cannot be reached (Network is unreachable): is the loopback interface up?"
    assert mend == "ip link set lo up\n"


def test_ports_that_have_run_out():
    code = (
        "import fcntl, socket, struct\n"
        "from pathlib import Path\n"
        "from studies.doctor import network\n"
        "with socket.socket() as s: fcntl.ioctl(s, 0x8914, struct.pack('16sH', b'lo', 0x41))\n"  # SIOCSIFFLAGS: up
        "Path('/proc/sys/net/ipv4/ip_local_port_range').write_text('50000 50007')\n"
        "(found,) = network.ports(None)\n"
        "print(found.level, found.found)\n"
    )
    assert in_a_network_of_its_own(code) == (
        "problem port 9 of 32 refused (Address already in use); 0 of 8 ports 50000-50007 taken\n"
    )


SCHEDULER = """
import os, sys, time
from studies.workers.forkserver import forkserver

if __name__ == "__main__":
    context = forkserver()
    context.set_forkserver_preload([])
    process = context.Process(target=time.sleep, args=(120,))
    process.start()
    print(process.pid, flush=True)
    time.sleep(120)
"""


def test_an_orphan(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "GRACE", 0.5)
    (tmp_path / "scheduler.py").write_text(SCHEDULER)
    scheduler = subprocess.Popen([sys.executable, str(tmp_path / "scheduler.py")], stdout=subprocess.PIPE, text=True)
    orphan = int(scheduler.stdout.readline())
    try:
        assert orphan not in {process.pid for process in leftovers.parentless()}, "its scheduler lives"
        scheduler.kill()
        scheduler.wait()
        assert psutil.Process(orphan).is_running()
        found = only(leftovers.orphans(scene))
        assert found.level == "problem"
        assert "of a scheduler that is gone: " in found.found
        assert str(orphan) in found.mend.removeprefix("kill -9 ").split()
    finally:
        os.kill(orphan, signal.SIGKILL)
        scheduler.stdout.close()
    deadline = time.monotonic() + 10  # a killed process takes a moment to go
    while orphan in {process.pid for process in leftovers.parentless()}:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def described(root: Path) -> RunFolder:
    folder = RunFolder.of(root, Run())
    folder.describe(Run())
    folder.note(state="running")
    return folder


def test_a_stale_lease_and_a_torn_folder(scene):
    folder = described(scene.root)
    lock = folder.acquire()
    assert only(leftovers.leases(scene)).level == "ok", "somebody trains it"
    os.close(lock)
    found = only(leftovers.leases(scene))
    assert found.level == "warning"
    assert found.found == f"1 run says 'running', and nobody trains: {folder.path.name}"
    assert found.mend.startswith("`bam run STUDY`")
    (folder.path / "manifest.json").write_text('{"state": "run')
    found = next(iter(leftovers.leases(scene)))
    assert found.level == "problem"
    assert found.found.startswith(f"{folder.path}/manifest.json: torn or not JSON")
    assert found.mend.startswith(f"rm -r {folder.path}")


def test_files_that_a_dead_writer_left(scene):
    folder = described(scene.root)
    for name in (".manifest.json.4711", "checkpoints/.last.ckpt.4712", ".result.json.4713"):
        path = folder.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 2**19)
        if "4713" not in name:  # which is being written now
            os.utime(path, (time.time() - 3600,) * 2)
    found = only(leftovers.temporary(scene))
    key = folder.path.name
    assert found.level == "warning"
    assert found.found == (
        f"2 (1.0 MiB) left by writers that died: {key}/.manifest.json.4711, {key}/checkpoints/.last.ckpt.4712"
    )
    subprocess.run(found.mend, shell=True, check=True)
    assert sorted(path.name for path in folder.path.rglob(".*")) == [".result.json.4713"]
    assert only(leftovers.temporary(scene)).level == "ok"


def begun(root: Path) -> RunFolder:
    """A trial that says that it is running."""
    folder = described(root)
    study = optuna.create_study(storage=journal(root), study_name="mine")
    study.ask().set_user_attr("key", folder.path.name)
    return folder


def test_a_trial_whose_run_nobody_trains(scene):
    folder = begun(scene.root)
    before = (scene.root / "studies.journal").read_bytes()
    lock = folder.acquire()
    assert [finding.level for finding in accounts.accounts(scene)] == ["ok", "ok"]
    os.close(lock)
    whole, trial = accounts.accounts(scene)
    count = len(before.splitlines())
    assert whole.found == f"{scene.root}/studies.journal is whole, {count} lines"
    assert trial.level == "warning"
    assert trial.found == "1 say that they are running, and nobody trains them: 1 of mine"
    assert (scene.root / "studies.journal").read_bytes() == before


def test_a_torn_journal(scene):
    begun(scene.root)
    path = scene.root / "studies.journal"
    path.write_bytes(path.read_bytes()[:-10])
    torn = next(accounts.accounts(scene))
    assert torn.level == "warning"
    assert torn.found.startswith(f"{path} ends in half a line (b'")
    assert torn.mend.startswith("nothing to do: the next writer cuts it off")
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], b"garbage", *lines[1:]]))
    torn = only(accounts.accounts(scene))
    assert torn.level == "problem"
    assert torn.found == f"{path} is torn: line 2 is b'garbage\\n'"
    assert torn.mend.startswith(f"mv {path} {path}.torn, while nothing trains there; the run folders hold")


def test_something_else_where_the_journal_should_be(scene, tmp_path):
    path = scene.root / "studies.journal"
    scene.root.mkdir(exist_ok=True)
    for what, make in (
        ("a pipe", lambda: os.mkfifo(path)),
        ("a link", lambda: path.symlink_to(tmp_path / "nowhere")),
        ("a folder", path.mkdir),
    ):
        make()
        found = only(accounts.accounts(scene))
        assert (found.check, found.level) == ("journal", "problem")
        assert found.found == f"{path}: is {what}, not a plain file"
        assert found.mend.startswith(f"mv {path} {path}.torn, while nothing trains there; the run folders hold every")
        path.rename(tmp_path / what)


def test_a_database_that_does_not_answer(tmp_path, scene):
    there = Scene(scene.root, "postgresql://me:secret@127.0.0.1:1/none", scene.context)
    found = only(accounts.accounts(there))
    assert found.level == "problem"
    assert found.found.startswith("--storage postgresql://me:***@127.0.0.1:1/none: no answer (connection failed")
    found = only(accounts.accounts(Scene(scene.root, "mysql://x/y", scene.context)))
    assert found.found.startswith("--storage mysql://x/y: not an address of PostgreSQL")


def test_a_check_that_fails_itself_is_a_problem_in_one_line(scene):
    def check(_scene):
        yield Finding("x", "ok", "first")
        raise RuntimeError("two\nlines")

    first, second = carefully("x", check, scene)
    assert first.found == "first"
    assert second == Finding(
        "x",
        "problem",
        "this check failed itself: RuntimeError: two lines",
        "mend what the line names, or report it: a check must not fail",
    )


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        ("gai error: Name or service not known", "the host's name does not resolve: echo '127.0.1.1 "),
        ("wait timeout after 20000ms", "a firewall on this host: iptables -I INPUT -i lo -j ACCEPT"),
        ("NCCL error: unhandled system error", "NCCL_DEBUG=INFO bam doctor says more"),
        ("else", "ranks meet on 127.0.0.1 (interfaces: lo"),
    ],
)
def test_what_mends_ranks(error, mend):
    assert network.cure(error).startswith(mend)


def test_cores_and_memory(scene):
    assert only(machine.processor(scene)).found.startswith(f"{cores()} of {os.cpu_count()} usable")
    assert only(machine.memory(scene)).found.split()[1:3] == ["GiB", "free"]


def test_the_verb(tmp_path, capsys):
    """On a machine that trains: what is printed, in both forms, and that two ranks really meet."""
    code = main(["doctor", "--root", str(tmp_path / "runs")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines[:-1]].count("problem") == code
    ranks = next(line for line in lines if line.startswith("ok       ranks"))
    assert "two ranks met and added through torch's launcher" in ranks
    assert lines[-1].startswith(f"problems: {code}, warnings: ")
    assert not list(tmp_path.iterdir())


def test_faults_reach_the_command(tmp_path):
    """A process of its own, since its surroundings are what is wrong."""
    distribution(tmp_path / "site", "lightning", "2.6.1")
    surroundings = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "GLOO_SOCKET_IFNAME": "nosuch0"}
    begun(tmp_path / "runs")
    done = subprocess.run(
        [*BAM, "doctor", "--root", str(tmp_path / "runs"), "--json"],
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert {name for name, finding in found.items() if finding["level"] == "problem"} - {"orphans"} == {"lightning"}, (
        "orphans may be another test's, just killed"
    )
    assert found["ranks"]["level"] == "ok", "ranks of one host meet on its loopback, whatever the environment says"
    assert found["leases"]["level"] == found["trials"]["level"] == "warning"
    assert set(CHECKS) - {"storage"} <= set(found)
