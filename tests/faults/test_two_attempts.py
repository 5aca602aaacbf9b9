"""Two attempts in one run folder, as of hosts that do not see each other's locks: the folder is the later one's.

A lock belongs to its file: where the file is removed, the next one who takes the lock has another one, and neither sees
the other's.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from dataclasses import replace

import pytest
import torch

from analysis.verification.verify import verify
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder, TakenOverError
from lightning_bam.training.checkpoint import AtomicCheckpointIO
from studies.engine.run_study import run_study
from studies.engine.scheduler import Options
from studies.job.devices import Slot
from studies.job.job import TAKEN
from studies.records.records import gather
from tests.lightning_bam.training.groups import Group, described, figures, longer, same_weights, trained
from tests.studies.conftest import BASE, one_slot, silent, tiny  # noqa: F401, the fixture

RUN = replace(longer(epochs=8, batch_size=96), seed=0)
ALONE = tiny(rows={"none": BASE}, scientific=(), seeds=1)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Return the record of a run that nobody disturbs, by the number of its ranks."""
    made = {}

    def of(ranks):
        if ranks not in made:
            made[ranks] = trained(described(tmp_path_factory.mktemp("unbroken"), RUN), ranks)
        return made[ranks]

    return of


def stopped(folder, ranks=1, epochs=2):
    """Return a group that was stopped in the middle of an epoch and whose lock nobody sees."""
    group = Group(folder, ranks)
    assert group.wait_for(lambda: len(folder.metrics()) >= epochs and folder.checkpoint.exists())
    group.tell(signal.SIGSTOP)
    (folder.path / "lock").unlink()
    return group


@pytest.mark.parametrize(("ranks", "epochs"), [(1, 8), (1, 4), (2, 8)])
def test_a_stopped_process_that_goes_on_leaves_the_folder_to_the_attempt_that_took_it(
    tmp_path, unbroken, ranks, epochs
):
    """Whether that one has ended, or is in the middle of it."""
    folder = described(tmp_path, RUN)
    first = stopped(folder, ranks)
    second = Group(folder, ranks)
    second.wait_for(lambda: len(folder.metrics()) >= epochs)
    if epochs == 8:
        assert second.code() == 0
    first.tell(signal.SIGCONT)
    first.process.join(30)
    assert second.code() == 0
    assert first.process.exitcode == TAKEN
    assert figures(folder) == figures(unbroken(ranks))
    assert same_weights(folder, unbroken(ranks))
    manifest = folder.manifest()
    assert (manifest.state, manifest.error, manifest.cause) == ("complete", None, None)
    assert [attempt.attempt for attempt in manifest.attempts] == [1, 2]
    assert not [path for path in folder.path.rglob(".*") if path.is_file()], "nothing half-written"
    assert not (folder.path / "crash.json").exists()
    assert (
        f"{folder.path}: another attempt has begun in this run folder and has taken it over" in folder.log.read_text()
    )
    study = tiny(rows={"only": RUN}, baseline="only", scientific=(), seeds=1)
    assert verify([study], tmp_path).problems == []


def test_a_process_that_is_told_to_leave_leaves_no_checkpoint_to_another_attempt(tmp_path):
    """As a scheduler tells it that finds its lease another host's."""
    folder = described(tmp_path, longer(epochs=200))
    first = stopped(folder)
    RunFolder(folder.path).begin()
    before = folder.checkpoint.read_bytes()
    first.tell(signal.SIGTERM)
    first.tell(signal.SIGCONT)
    assert first.code(20) == TAKEN
    assert folder.checkpoint.read_bytes() == before


def test_whoever_writes_for_an_attempt_looks_whether_it_is_still_its_own(tmp_path):
    """Each time, whatever it is."""
    first, second = (described(tmp_path, RUN) for _ in range(2))
    first.begin()
    first.append_epoch({"epoch": 0})
    AtomicCheckpointIO(first).save_checkpoint({"of": 1}, first.checkpoint)
    second.begin()
    (second.checkpoint.parent / ".last.ckpt.1").write_text("being written")
    files = {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()}
    for write in (
        lambda: first.append_epoch({"epoch": 1}),
        lambda: first.keep_epochs(0),
        lambda: first.note(state="failed"),
        lambda: first.request_stop("pruned"),
        lambda: AtomicCheckpointIO(first).save_checkpoint({"of": 2}, first.checkpoint),
    ):
        with pytest.raises(TakenOverError, match="another attempt has begun in this run folder"):
            write()
    assert {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()} == files
    second.append_epoch({"epoch": 1})


def test_a_scheduler_leaves_a_run_that_was_taken_over(tmp_path, one_slot, capfd):  # noqa: F811
    """It neither fails it nor takes it back."""
    run = replace(BASE, recipe=replace(BASE.recipe, epochs=20))
    study = tiny(rows={"none": run}, scientific=(), seeds=1)
    lock = []

    def take_over(progress):
        for active in progress.active:
            if active.epochs and not lock:
                (active.folder.path / "lock").unlink()
                lock.append(active.folder.acquire())
                RunFolder(active.folder.path).begin()

    progress = run_study(study, tmp_path, one_slot, take_over)
    assert (progress.finished, progress.failed) == ([], [])
    assert gather(study, tmp_path)[0].state == "running"
    assert gather(study, tmp_path)[0].manifest.attempts[0].nonce != gather(study, tmp_path)[0].manifest.nonce
    told = capfd.readouterr().err
    assert told.count("another attempt has taken this run over, on a host whose locks cannot be seen here") == 1
    os.close(lock[0])
    assert len(run_study(study, tmp_path, one_slot, silent).finished) == 1, "once it is nobody's"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return a runs folder with one complete run."""
    root = tmp_path_factory.mktemp("whole")
    run_study(ALONE, root, Options(slots=[Slot(1)], wandb="off"), silent)
    return root


@pytest.fixture
def left(tmp_path, whole):
    """Return a run that was trained to its last epoch and then lost, and the figures that it should have."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    folder = RunFolder.of(tmp_path, BASE)
    (folder.path / "result.json").unlink()
    folder.note(state="interrupted")
    return folder, figures(folder)


def twice(folder):
    """Two attempts have each appended an epoch."""
    lines = (folder.path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder.path / "metrics.jsonl").write_text(lines[0] * 2 + lines[1])


def behind(folder):
    """The checkpoint is further than the record."""
    lines = (folder.path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder.path / "metrics.jsonl").write_text(lines[0])


def of_another(folder):
    """The checkpoint is of an attempt that this record does not know, with other weights."""
    saved = torch.load(folder.checkpoint, weights_only=True)
    saved["callbacks"]["Recorder"]["nonce"] = "0" * 32
    saved["state_dict"] = {name: torch.zeros_like(tensor) for name, tensor in saved["state_dict"].items()}
    torch.save(saved, folder.checkpoint)


def of_no_epochs(folder):
    """The checkpoint knows of less than nothing."""
    saved = torch.load(folder.checkpoint, weights_only=True)
    saved["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"] = -5
    torch.save(saved, folder.checkpoint)


def none_at_all(folder):
    torch.save({"weights": torch.zeros(3)}, folder.checkpoint)


def torn_line(folder):
    path = folder.path / "metrics.jsonl"
    path.write_text("{torn\n" + path.read_text())


@pytest.mark.parametrize("spoil", [twice, behind, of_another, of_no_epochs, none_at_all, torn_line])
def test_a_record_that_contradicts_itself_is_begun_anew(tmp_path, one_slot, left, spoil):  # noqa: F811
    folder, before = left
    spoil(folder)
    progress = run_study(ALONE, tmp_path, one_slot, silent)
    assert ([cell.row for cell, _ in progress.finished], progress.failed) == (["none"], [])
    assert figures(folder) == before
    assert folder.manifest().attempts[-1].from_epoch == 0
    assert verify([ALONE], tmp_path).problems == []
    assert folder.checkpoint.with_suffix(".damaged").exists()


def failed(folder):
    twice(folder)
    folder.note(state="failed", error="metrics.jsonl: holds epochs [0, 0, 1]")


def torn_end(folder):
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write("torn\n")


def torn_manifest(folder):
    (folder.path / "manifest.json").write_text("{")


@pytest.mark.parametrize("spoil", [failed, torn_end, torn_manifest])
def test_retrying_begins_a_refused_record_anew(tmp_path, one_slot, left, spoil):  # noqa: F811
    folder, before = left
    spoil(folder)
    if spoil is failed:
        assert run_study(ALONE, tmp_path, one_slot, silent).finished == []
    else:
        with pytest.raises(FolderError, match="torn"):
            run_study(ALONE, tmp_path, one_slot, silent)
    assert len(run_study(ALONE, tmp_path, replace(one_slot, retry_failed=True), silent).finished) == 1
    assert figures(folder) == before
    assert verify([ALONE], tmp_path).problems == []


@pytest.mark.parametrize("spoil", [twice, torn_end, torn_manifest])
def test_a_complete_record_that_contradicts_itself_stays_refused(tmp_path, one_slot, whole, spoil):  # noqa: F811
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    folder = RunFolder.of(tmp_path, BASE)
    spoil(folder)
    files = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    for _ in range(2):
        if spoil is torn_manifest:  # which nobody needs to read for the figure
            assert run_study(ALONE, tmp_path, replace(one_slot, retry_failed=True), silent).finished == []
        else:
            with pytest.raises(FolderError, match="metrics.jsonl"):
                run_study(ALONE, tmp_path, replace(one_slot, retry_failed=True), silent)
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == files


def test_what_an_attempt_looks_at_each_epoch_costs_little(tmp_path):
    folder = described(tmp_path, RUN)
    folder.begin()
    folder.note(first_batch=list(range(1024)), attempts=[{"attempt": 1, "nonce": "x"}] * 20)
    began = time.monotonic()
    for _ in range(100):
        folder.check_attempt()
    assert time.monotonic() - began < 1.0
    assert json.loads((folder.path / "manifest.json").read_text())["nonce"] == folder.nonce
