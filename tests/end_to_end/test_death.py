"""How a run's process group ends when something dies, breaks or fills up under it; every fault is a real one."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from analysis.cli import main
from analysis.cli.errors import line_for
from lightning_bam.config import ClutteredDigits, SmallResNet
from lightning_bam.run_folder.files import FAULTY, unwritable
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.signals import Interruption
from studies.engine.study_trials import StudyTrials
from studies.job.job import FULL
from studies.library import find_study
from studies.workers.failure import RECORD, Failure, cause_of
from studies.workers.ranks import CODES, verdict
from studies.workers.worker import fail
from tests.lightning_bam.training.groups import Group, described, figures, longer, same_weights, trained

LONG = longer(epochs=60)


def ranks_of(group):
    return psutil.Process(group.process.pid).children()


def train_for(group, epochs):
    group.wait_for(lambda: len(group.folder.metrics()) >= epochs and group.folder.checkpoint.exists())
    assert group.process.exitcode is None


def test_a_killed_rank_takes_its_group_along_and_the_run_is_lost(tmp_path):
    run, ranks = longer(epochs=60, batch_size=96), 3
    group = Group(described(tmp_path, run), ranks)
    train_for(group, 1)
    members = ranks_of(group)
    assert len(members) == ranks
    members[-1].kill()
    died = time.monotonic()
    assert group.code(20) == 128 + signal.SIGKILL
    took = time.monotonic() - died
    print(f"{ranks} ranks: the group was gone after {took:.1f} s")
    assert took < 30, "the server may have had to load first"
    assert not [member for member in members if member.is_running()]
    assert group.folder.state() == "interrupted"
    assert group.folder.manifest().cause == f"rank {ranks - 1} was killed by signal 9"


def test_a_rank_that_crashes_takes_its_group_along_and_is_named(tmp_path):
    """Rank 1 has no place for its log; rank 0 waits for it within a call where Python's signals are not heard."""
    folder = described(tmp_path, longer(batch_size=96))
    (folder.path / "rank1.log").mkdir()
    started = time.monotonic()
    group = Group(folder, 2)
    assert group.code(60) == 1
    took = time.monotonic() - started
    print(f"the group was gone {took:.1f} s after it began")
    assert took < 10
    manifest = folder.manifest()
    assert (folder.state(), manifest.cause, manifest.rank) == ("failed", "error", 1)
    assert "/rank1.log: is a folder, not a plain file" in manifest.error
    assert "redirect(job.folder" in manifest.traceback


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_lost_loss_is_a_named_cause(tmp_path, ranks):
    folder = described(tmp_path, longer(lr=1e30))
    assert Group(folder, ranks).code() == 1
    manifest = folder.manifest()
    assert (folder.state(), manifest.cause) == ("failed", "nan")
    assert "training loss is nan after epoch 0; lower recipe.lr=1e+30" in manifest.error
    assert manifest.error.startswith("rank ") == (ranks > 1)
    assert manifest.traceback.rstrip().endswith(manifest.error.removeprefix(f"rank {manifest.rank}: "))
    assert manifest.error.removeprefix(f"rank {manifest.rank}: ") in folder.log.read_text()


def test_a_network_that_is_lost_in_the_very_last_step_has_failed_too(tmp_path):
    run = longer(lr=1e38)
    folder = described(tmp_path, replace(run, recipe=replace(run.recipe, epochs=1, batch_size=1297)))
    assert Group(folder, 1).code() == 1
    manifest = folder.manifest()
    assert (folder.state(), manifest.cause) == ("failed", "nan")
    assert "scored loss is nan after epoch 0; lower recipe.lr=1e+38 or raise recipe.warmup_epochs=0" in manifest.error
    assert folder.result() is None


def test_no_memory_is_a_named_cause(tmp_path):
    """A network whose first feature map alone is some terabytes."""
    run = replace(
        longer(epochs=1, batch_size=1000),
        dataset=ClutteredDigits(size=20, train=1000, test=10),
        backbone=SmallResNet(width=1_000_000),
        attention=None,
    )
    folder = described(tmp_path, run)
    assert Group(folder).code() == 1
    manifest = folder.manifest()
    assert (folder.state(), manifest.cause) == ("failed", "memory")
    assert manifest.error.startswith("out of memory (RuntimeError: ")
    assert "recipe.batch_size is the global batch: more --devices-per-run" in manifest.error
    assert "\n" not in manifest.error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MemoryError(), "memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), "memory"),
        (RuntimeError("std::bad_alloc"), "memory"),
        (OSError(28, "No space left on device"), "disk"),
        (OSError(122, "Disk quota exceeded"), "disk"),
        (RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:4242"), "connection"),
        (torch.distributed.DistBackendError("NCCL error: remote process exited"), "connection"),
        (RuntimeError("Connection of what?"), "error"),
        (KeyError("x"), "error"),
    ],
)
def test_causes(error, cause):
    assert cause_of(error) == cause


def test_the_first_crash_is_the_one_that_is_kept(tmp_path):
    for rank, error in ((2, ValueError("the cause")), (0, RuntimeError("a victim"))):
        Failure.of(error, rank).record(tmp_path)
    found = Failure.first(tmp_path)
    assert (found.rank, found.cause, found.error) == (2, "error", "ValueError: the cause")
    (tmp_path / RECORD).unlink()
    assert Failure.first(tmp_path) is None


@pytest.mark.parametrize(
    "said",
    [
        "[" * 100_000,
        "[]",
        '{"rank": 0, "cause": "error", "error": "e"}',
        '{"rank": "first", "cause": "error", "error": "e", "traceback": "t"}',
        '{"rank": 0, "cause": "fate", "error": "e", "traceback": "t"}',
        '{"rank": 0, "cause": "error", "error": ["e"], "traceback": "t"}',
    ],
)
def test_a_crash_that_nobody_can_read_is_none(tmp_path, said):
    """Another host of a shared folder may have written it, and its disk may have torn it."""
    (tmp_path / "crash.json").write_text(said)
    assert Failure.first(tmp_path) is None


def test_a_long_error_does_not_spoil_the_record_of_its_run(tmp_path):
    folder = described(tmp_path, LONG)
    folder.note(state="failed", error=Failure.of(ValueError("x" * 150_000), 0).error)
    assert folder.manifest().error.startswith("ValueError: xxx")


@pytest.mark.parametrize(
    ("ranks", "number"), [(1, signal.SIGTERM), (1, signal.SIGUSR1), (2, signal.SIGINT), (2, signal.SIGUSR1)]
)
def test_whoever_is_told_to_leave_leaves_a_checkpoint_of_the_last_batch(tmp_path, ranks, number):
    group = Group(described(tmp_path, LONG), ranks)
    train_for(group, 1)
    if ranks > 1 and number == signal.SIGUSR1:  # one rank alone is told, and takes the others along
        ranks_of(group)[1].send_signal(number)
    else:
        group.tell(number)
    told = time.monotonic()
    assert group.code(20) == 128 + number
    assert time.monotonic() - told < 8
    folder = group.folder
    manifest = folder.manifest()
    assert (folder.state(), manifest.cause, manifest.error) == (
        "interrupted",
        f"stopped by signal {number:d}",
        None,
    )
    checkpoint = torch.load(folder.checkpoint, weights_only=True)
    drawn = checkpoint["ImageData"]["drawn"]  # 0 while the epoch is scored, too
    assert checkpoint["global_step"] - 13 * checkpoint["epoch"] in ({0, 13} if drawn == 0 else {drawn})
    assert len(checkpoint["running_loss"]) == ranks


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_group_is_pruned_when_it_is_asked_to_stop(tmp_path, ranks):
    group = Group(described(tmp_path, LONG), ranks)
    train_for(group, 1)
    group.folder.request_stop("pruned")
    assert group.code(20) == 0
    folder = group.folder
    assert (folder.state(), folder.result()) == ("pruned", None)
    epochs = len(folder.metrics())
    assert 1 <= epochs < 60
    assert torch.load(folder.checkpoint, weights_only=True)["epoch"] == epochs - 1
    assert folder.stop_reason() is None


@pytest.fixture
def small_disk(tmp_path):
    """A real file system with little room: a few megabytes of memory."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_scheduler_on_a_full_disk_says_so_in_one_line_and_goes_on_later(small_disk, capsys):
    words = ["run", "quickstart", "--root", str(small_disk), "--devices", "cpu:1", "--wandb", "off"]
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(b"x" * 4_000_000)
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("bam: ")] == said[-1:]
    assert "no space left" in said[-1]
    assert "make room, then the same command goes on" in said[-1]
    filler.unlink()
    with closing(StudyTrials(small_disk, find_study("quickstart"))) as study_trials:
        assert study_trials.optuna.user_attrs["objective"] == "error_top1 in percent"


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_full_disk_loses_nothing_and_the_run_goes_on_once_there_is_room(small_disk, tmp_path, ranks):
    run = longer(epochs=8)
    unbroken = trained(described(tmp_path / "unbroken", run), ranks)
    group = Group(described(small_disk, run), ranks)
    train_for(group, 1)
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(b"x" * 4_000_000)
    assert group.code(30) == FULL
    folder = RunFolder(group.folder.path)
    assert folder.state() == "interrupted"
    assert torch.load(folder.checkpoint, weights_only=True)["epoch"] >= 0
    assert all(line["epoch"] == number for number, line in enumerate(folder.metrics()))
    assert (folder.path / "metrics.jsonl").read_text().endswith("}\n"), "no torn line"
    filler.unlink()
    again = trained(folder, ranks)
    assert again.manifest().attempt == 2
    assert figures(again) == figures(unbroken)
    assert same_weights(again, unbroken)


def test_shared_memory_that_is_full_is_not_taken_for_the_runs_folder_s_disk(tmp_path):
    """Ranks meet in /dev/shm; in a mount namespace of its own a small one stands for it."""
    file = tmp_path / "two.py"
    file.write_text("from tests.studies.conftest import tiny\nSTUDY = tiny(seeds=1)\n")
    bam = f"{sys.executable} -c 'import sys; from analysis.cli import main; sys.exit(main())'"
    words = f"run {file} --root {tmp_path / 'runs'} --devices cpu:2 --devices-per-run 2 --wandb off"
    fill = "mount -t tmpfs -o size=4k tmpfs /dev/shm && { cat /dev/zero > /dev/shm/filler; true; } 2> /dev/null"
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", f"{fill} && {bam} {words}"],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("bam: ")]
    assert (done.returncode, len(said)) == (1, 1), done.stderr
    assert said[0].startswith("bam: no space left (")
    assert said[0].endswith("or in /dev/shm, then the same command goes on")
    assert f"on the disk of {tmp_path / 'runs'}, in " in said[0]


@pytest.fixture
def failing_disk(tmp_path):
    """A real file system that becomes read-only at an error, and how to have one happen, and how it is mended."""
    image, mount = tmp_path / "image", tmp_path / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(40 * 2**20)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], capture_output=True, check=False)
    options = ["mount", "-o", "loop,errors=remount-ro", str(image), str(mount)]
    if os.geteuid() or made.returncode or subprocess.run(options, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount an ext4 image")
    (device,) = (part.device for part in psutil.disk_partitions() if part.mountpoint == str(mount))

    def mend():
        subprocess.run(["umount", str(mount)], check=True)
        subprocess.run(["e2fsck", "-y", str(image)], capture_output=True, check=False)
        subprocess.run(options, check=True)

    yield mount, lambda: Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("1"), mend
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_disk_that_fails_under_a_study_ends_it_in_one_line_with_nothing_lost(failing_disk, tmp_path):
    mount, fail, mend = failing_disk
    file = tmp_path / "two.py"
    file.write_text(
        "from dataclasses import replace\nfrom tests.studies.conftest import BASE, tiny\n"
        "long = replace(BASE, recipe=replace(BASE.recipe, epochs=30))\n"
        "STUDY = tiny(seeds=1, rows={'none': long, 'k': replace(long, recipe=replace(long.recipe, lr=0.05))},\n"
        "             scientific=('recipe.lr',))\n"
    )
    words = ["run", str(file), "--root", str(mount / "runs"), "--devices", "cpu:2", "--wandb", "off"]
    bam = [sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())"]
    with subprocess.Popen(
        [*bam, *words], env={**os.environ, "PYTHONPATH": str(Path.cwd())}, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not list(mount.glob("runs/*/checkpoints/last.ckpt")) and time.monotonic() < deadline:
            time.sleep(0.1)
        fail()
        _, said = process.communicate(timeout=60)
    told = [line for line in said.splitlines() if line.startswith("bam: ")]
    assert (process.returncode, len(told)) == (2, 1), said
    assert any(said in told[0] for said in ("Read-only file system", "Input/output error")), told[0]
    assert "Traceback" not in said
    mend()
    assert main(words) == 0, "the same command goes on"
    manifests = [RunFolder(path.parent).manifest() for path in mount.glob("runs/*/manifest.json")]
    assert max(manifest.attempt for manifest in manifests) == 2, "what was begun was gone on with"


@pytest.mark.parametrize("number", FAULTY)
def test_a_run_whose_disk_fails_is_lost_and_gone_on_with(tmp_path, number):
    """Also where the error comes wrapped, as a file of ours that cannot be written."""
    folder = described(tmp_path, LONG)
    folder.note(state="running")
    refused = OSError(number, os.strerror(number), str(folder.checkpoint))
    ours, torchs = unwritable(folder.checkpoint, refused), RuntimeError("unexpected pos 64 vs 0")
    for error in (ours, torchs):
        error.__context__ = refused  # as where it is raised
    for error in (refused, ours, torchs):
        assert fail(folder, error) == 1
        assert (folder.state(), folder.manifest().cause) == ("interrupted", "storage")
    assert cause_of(OSError(errno.ENOENT, "No such file")) == "error"
    told = line_for(refused)
    assert told == (
        f"{folder.checkpoint}: its disk has failed ({os.strerror(number)}); mend or remount it, then the same command "
        "goes on"
    )


def test_a_rank_whose_disk_has_failed_says_so_by_its_exit_code(tmp_path):
    """It may be unable to leave any other word."""
    interruption = verdict(tmp_path, 1, CODES["storage"])
    assert isinstance(interruption, Interruption)
    assert (interruption.code, str(interruption)) == (CODES["storage"], "storage")
