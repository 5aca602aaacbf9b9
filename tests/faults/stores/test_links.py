"""Links, pipes and folders where a run folder has plain files: refused in one line, never followed."""

from __future__ import annotations

import os
import shutil
import tarfile
import time
from pathlib import Path

import pytest

from lightning_bam.run_folder.files import FolderError, inside, replace
from lightning_bam.run_folder.lock import acquire
from lightning_bam.training.checkpoint import AtomicCheckpointIO, damage
from lightning_bam.weights.state_dicts import load_network
from studies.cluster.slurm import SlurmCluster
from studies.coordination.process_lock import ProcessLock, alive
from studies.coordination.sync import pack
from studies.job.devices import Slot
from studies.job.job import Job
from studies.job.observer import End
from studies.tracking.wandb_run import DISK, Tracking
from studies.workers.failure import Failure
from tests.faults.stores.conftest import SECRET, call, listing
from tests.studies.conftest import BASE
from tests.studies.tracking.wandb_file import settled

FILES = ("run.json", "manifest.json", "metrics.jsonl", "result.json", "rank0.log", "lock", "checkpoints/last.ckpt")


def plant(folder, name, target):
    """Put a link where a run folder has a file."""
    path = folder.path / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(Path(target).absolute())


def reading(key):
    """Return the verbs that read run folders, each with the file that it writes, if any; the last two take seconds."""
    return [
        (["table", "mine.py"], None),
        (["table", "mine.py", "--format", "tex"], None),
        (["status", "mine.py"], None),
        (["status"], None),
        (["verify", "mine.py"], None),
        (["verify"], None),
        (["explain", "mine.py", "none"], None),
        (["explain", "mine.py", "none", "--json"], None),
        (["report", "mine.py", "-o", "report.html"], "report.html"),
        (["bundle", "mine.py", "--partial", "--weights", "-o", "mine.tar.gz"], "mine.tar.gz"),
        (["plot", "curves", "mine.py", "-o", "plots"], None),
        (["inspect", key, "-o", "looked"], None),
        (["export", key, "-o", "weights.pt"], "weights.pt"),
    ]


def outputs(verbs):
    """Return the files that these verbs have written, an archive unpacked."""
    for path in (Path(name) for _, name in verbs if name and Path(name).exists()):
        if path.suffix == ".gz":
            with tarfile.open(path) as tar:
                tar.extractall("unpacked", filter="data")
            yield from (file for file in Path("unpacked").rglob("*") if file.is_file())
        yield path


@pytest.mark.parametrize("name", FILES)
def test_a_link_in_a_run_folder_shows_no_file_of_the_reader(runs, canary, name):
    folder = runs["none", 0]
    if name == "rank0.log":
        (folder.path / "result.json").unlink()
        folder.note(state="failed", error="it broke", traceback=None)
    plant(folder, name, canary.folder / ("log" if name == "rank0.log" else "token"))
    verbs = reading(folder.path.name)
    verbs = verbs if name == "checkpoints/last.ckpt" else verbs[:-2]
    for words, _ in verbs:
        assert call(*words) in (0, 1, 2, 3), words
    told = canary.unharmed(*outputs(verbs))
    if name != "lock":  # of a run that is complete nobody asks who trains it
        assert f"{folder.path}/{name}: is a link, not a plain file; nothing is read or written through it" in told


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_a_run_folder_holds_nobody_up(runs, canary, name):
    folder = runs["none", 0]
    path = folder.path / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for words in (["table", "mine.py"], ["status", "mine.py"], ["verify", "mine.py"], ["explain", "mine.py", "none"]):
        assert call(*words) in (0, 1, 2), words
    told = canary.unharmed()
    assert name in ("rank0.log", "lock") or f"{path}: is a pipe, not a plain file" in told


def test_a_run_folder_that_is_a_link_is_refused_and_the_root_may_be_one(runs, canary, tmp_path):
    folder, there = runs["none", 0], tmp_path / "a run of mine"
    shutil.copytree(folder.path, there)
    before = listing(there)
    shutil.rmtree(folder.path)
    folder.path.symlink_to(there)
    for words, _ in [*reading(folder.path.name), (["run", "mine.py", "--wandb", "off"], None)]:
        assert call(*words) in ((0,) if words == ["status"] else (1, 2)), words
    told = canary.unharmed()
    assert f"{folder.path}: is a link, not a folder; nothing is read or written through it: put a folder there" in told
    assert "other runs (of a study file, of a search, or with other options): 3 complete, 1 unreadable" in told
    assert listing(there) == before
    folder.path.unlink()
    shutil.copytree(there, folder.path)
    Path("runs").rename("elsewhere")
    Path("runs").symlink_to("elsewhere")
    for verb in ("table", "status"):
        assert call(verb, "mine.py") == 0, "the root may be one"


def test_nothing_is_written_through_a_link(runs, canary):
    for name, write in {
        "manifest.json": lambda folder: folder.note(state="interrupted"),
        "metrics.jsonl": lambda folder: folder.append_epoch({"epoch": 2}),
        "stop": lambda folder: folder.stop_reason(),
        "lock": lambda folder: folder.acquire(),
        "run.json": lambda folder: folder.run(),
        "checkpoints/last.ckpt": lambda folder: damage(folder.checkpoint),
    }.items():
        folder = runs["BAM", 1]
        kept = (folder.path / name).read_bytes() if (folder.path / name).is_file() else None
        for target in ("token", "absent"):
            plant(folder, name, canary.folder / target)
            with pytest.raises(FolderError, match="is a link, not a plain file"):
                write(folder)
        canary.unharmed()
        (folder.path / name).unlink()
        if kept is not None:
            (folder.path / name).write_bytes(kept)


def test_what_is_put_in_place_replaces_a_link(runs, canary):
    folder = runs["BAM", 1]
    for name, write in {
        "stop": lambda: folder.request_stop("pruned"),
        "result.json": lambda: folder.finish(runs["BAM", 0].result()),
        "checkpoints/last.ckpt": lambda: AtomicCheckpointIO().save_checkpoint({"epoch": 1}, folder.checkpoint),
        "manifest.json": lambda: replace(folder.at("manifest.json"), "{}"),
    }.items():
        plant(folder, name, canary.folder / "token")
        write()
        canary.unharmed()
        assert not (folder.path / name).is_symlink()


def test_checkpoints_in_a_linked_folder_are_neither_read_nor_written(runs, canary):
    folder = runs["BAM", 1]
    (folder.path / "checkpoints").symlink_to(canary.folder / "run" / "checkpoints")
    with pytest.raises(FolderError, match="checkpoints: is a link, not a folder"):
        AtomicCheckpointIO().save_checkpoint({"epoch": 1}, folder.checkpoint)
    with pytest.raises(FolderError, match="checkpoints: is a link, not a folder"):
        load_network(folder.path)
    canary.unharmed()


def test_a_record_that_is_told_to_others_holds_no_linked_file(runs, canary):
    folder = runs["BAM", 1]
    plant(folder, "rank0.log", canary.folder / "token")
    with pytest.raises(FolderError, match="rank0.log: is a link"):
        pack(folder)
    plant(folder, "rank0.log", "absent")
    (folder.path / "rank0.log").unlink()
    plant(folder, "id_rsa.log", canary.folder / "token")
    assert SECRET not in str(pack(folder)), "and no log that no run has"


def test_training_follows_no_link(runs, canary):
    """Real runs: one whose log is a link, one whose checkpoints are; and W&B's records, which would lie in a link."""
    log, weights, wandb, _ = runs.values()
    for folder in (log, weights, wandb):
        for name in ("result.json", "metrics.jsonl", "manifest.json"):
            (folder.path / name).unlink()
    plant(log, "rank0.log", canary.folder / "token")
    (weights.path / "checkpoints").symlink_to(canary.folder / "run" / "checkpoints")
    (wandb.path.parent / "wandb").symlink_to(canary.folder / "run")
    plant(wandb, "stop", canary.folder / "token")
    assert call("run", "mine.py", "--devices", "cpu:2", "--wandb", "offline") == 1
    assert "tiny: 2 of 4 runs complete, 1 of them now; 2 failed" in canary.unharmed()
    assert "rank0.log: is a link" in log.manifest().error
    assert "checkpoints: is a link" in weights.manifest().error
    assert wandb.result() is not None
    assert "runs/wandb: is a link, not a folder; nothing is read or written through it" in wandb.log.read_text()


@pytest.mark.parametrize("what", ["link", "pipe", "file"])
def test_wandb_waits_for_no_pipe_and_follows_no_link(tmp_path, monkeypatch, canary, capsys, what):
    """A runs folder in which W&B's is something else; `.wandb`, which it would take instead, is not looked at."""
    path = tmp_path / "wandb"
    make = {"link": lambda: path.symlink_to(canary.folder), "pipe": lambda: os.mkfifo(path), "file": path.touch}
    make[what]()
    (tmp_path / ".wandb").symlink_to(canary.folder)
    monkeypatch.setenv("WANDB_USE_DOT_WANDB", "true")
    started = time.monotonic()
    tracking = Tracking(Job(folder=tmp_path / BASE.key, study="tiny", row="none", slot=Slot(1), wandb="offline"), BASE)
    tracking.start()
    tracking.end(End(state="complete"))
    assert time.monotonic() - started < DISK / 2
    assert f"W&B: offline failed ({path}: is a" in capsys.readouterr().out
    path.unlink()
    tracking = Tracking(Job(folder=tmp_path / BASE.key, study="tiny", row="none", slot=Slot(1), wandb="offline"), BASE)
    tracking.start()
    tracking.end(End(state="complete"))
    assert settled(tmp_path / BASE.key)["exit"] == 0
    canary.unharmed()


def test_a_folder_where_training_removes_or_renames_a_file_is_one_line(runs, capfd):
    crash, stop, checkpoint, metrics = runs.values()
    for folder in runs.values():
        for name in ("result.json", "metrics.jsonl", "manifest.json"):
            (folder.path / name).unlink()
    planted = [
        crash.path / "crash.json",
        stop.path / "stop",
        checkpoint.path / "checkpoints" / "last.damaged",
        metrics.path / "metrics.damaged",
    ]
    for path in planted:
        path.mkdir(parents=True)
    checkpoint.checkpoint.write_text("torn")
    assert call("run", "mine.py", "--devices", "cpu:2", "--wandb", "off") == 1
    told = "".join(capfd.readouterr())
    assert "Traceback" not in told
    assert "tiny: 1 of 4 runs complete, 1 of them now; 3 failed" in told
    for folder, path in zip((crash, stop, checkpoint), planted, strict=False):
        said = f"{path.absolute()}: is a folder, not a plain file; nothing is read or written through it"
        assert folder.manifest().error.startswith(said)
        assert f"seed {folder.run().seed}: {said}" in told
    (metrics.path / "result.json").unlink()
    (metrics.path / "metrics.jsonl").write_text('{"epoch": 5}\n')
    assert call("run", "mine.py", "--devices", "cpu:2", "--wandb", "off") == 2
    said = capfd.readouterr().err.splitlines()[-1]
    assert said.startswith(f"bam: {planted[-1]}: is a folder, not a plain file; ")


@pytest.mark.parametrize("name", ["studies.journal", ".studies.journal.lock", ".schedulers.lock", ".place", "rules"])
def test_links_in_the_runs_folder_itself_are_not_followed(runs, canary, name):
    for target in ("token", "absent"):
        path = Path("runs") / name
        path.unlink(missing_ok=True)
        path.symlink_to(canary.folder / ("run" if name == "rules" else target))
        for words in (["run", "mine.py", "--wandb", "off"], ["table", "mine.py"], ["status"]):
            assert call(*words) in (0, 1, 2)
    assert f"runs/{name}: is a link, not a " in canary.unharmed()


def test_the_folder_of_those_who_search_is_none_elsewhere(runs, canary):
    Path("runs/.searches").symlink_to(canary.folder)
    (canary.folder / ("0" * 32)).touch()
    canary.before = listing(canary.folder)
    with pytest.raises(FolderError, match=r"runs/\.searches: is a link, not a folder"):
        ProcessLock(Path("runs"))
    assert not alive(Path("runs"), "0" * 32)
    canary.unharmed()


def test_what_a_verb_writes_where_nobody_said_goes_through_no_link(runs, canary):
    Path("plots").mkdir()
    written = {"plots/tiny-effects.png": ["plot", "mine.py", "effects"], "report.html": ["report", "mine.py"]}
    for target in ("token", "absent"):
        for name, words in written.items():
            Path(name).unlink(missing_ok=True)
            Path(name).symlink_to(canary.folder / target)
            assert call(*words) == 0
            assert Path(name).stat().st_size > 10_000
            assert not Path(name).is_symlink()
    canary.unharmed()


def test_a_linked_folder_is_written_into_only_where_it_was_named(runs, canary, tmp_path):
    (canary.folder / "tiny-effects.png").write_text(SECRET)
    canary.before = listing(canary.folder)
    for target in (canary.folder, canary.folder / "absent"):
        Path("plots").symlink_to(target)
        assert call("plot", "mine.py", "effects") == 2
        assert canary.unharmed().startswith("bam: plots: is a link, not a folder; nothing is read or written")
        Path("plots").unlink()
    (tmp_path / "mine").mkdir()
    Path("mine/tiny-effects.png").symlink_to(canary.folder / "token")
    Path("plots").symlink_to("mine")
    assert call("plot", "mine.py", "effects", "-o", "plots") == 0
    canary.unharmed()
    assert Path("mine/tiny-effects.png").read_bytes().startswith(b"\x89PNG"), "the folder was named, and not the file"


def test_a_crash_and_a_lock_stay_in_their_folder(runs, canary):
    folder = runs["BAM", 1]
    for target in ("absent", "token"):
        plant(folder, "crash.json", canary.folder / target)
        Failure(rank=0, cause="error", error="it broke", traceback="").record(folder.path)
        assert Failure.first(folder.path) is None
    with pytest.raises(FolderError, match="is a link"):
        acquire(folder.path / "crash.json", folder.path.parent)
    canary.unharmed()


def test_notes_of_slurm_jobs_become_no_words_of_a_command(tmp_path, canary):
    slurm = SlurmCluster()
    slurm.folder(tmp_path).mkdir()
    slurm.note(tmp_path, "12", "tiny", 4)
    with (slurm.folder(tmp_path) / "submissions.jsonl").open("a") as file:
        for line in (
            '{"job": "--help", "study": "x"}',
            '{"job": 3}',
            "[1]",
            "{}",
            '{"job": [], "study": 1}',
            "[" * 100_000,
        ):
            file.write(line + "\n")
    assert slurm.submissions(tmp_path) == {"12": "tiny"}
    (slurm.folder(tmp_path) / "submissions.jsonl").unlink()
    (slurm.folder(tmp_path) / "submissions.jsonl").symlink_to(canary.folder / "token")
    for use in (lambda: slurm.note(tmp_path, "13", "tiny", 4), lambda: slurm.submissions(tmp_path)):
        with pytest.raises(FolderError, match="is a link"):
            use()
    canary.unharmed()


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc/passwd",
        "a/b",
        "a\\b",
        ".bashrc",
        "a\0b",
        "a\nb",
        "x" * 256,
        "\ud800",
        None,
        5,
        ["a"],
    ],
)
def test_a_foreign_name_becomes_a_path_inside_or_none(tmp_path, name):
    with pytest.raises(FolderError, match="is not the name of anything in it") as refused:
        inside(tmp_path, name)
    assert "\n" not in str(refused.value)
    assert inside(tmp_path, "a+b=0.1 (c).json") == tmp_path / "a+b=0.1 (c).json"
