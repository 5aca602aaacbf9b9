"""The loop under what machines do: processes killed, servers killed, devices shared."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import replace

import optuna
import psutil
import pytest

from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from studies.coordination.retries import ended_by
from studies.engine import scheduler
from studies.engine.run_study import run_study
from studies.engine.scheduler import Options
from studies.engine.study_trials import StudyTrials
from studies.job.devices import Slot
from studies.records.records import gather
from studies.storage.optuna_storage import open_storage
from studies.workers.launch import start
from tests.studies.conftest import silent, tiny


def killing(row):
    """Return a view that kills every process that trains `row` as soon as it sees one."""

    def view(progress):
        for active in progress.active:
            if active.cell.row == row:
                with suppress(ProcessLookupError):
                    os.kill(active.process.pid, signal.SIGKILL)

    return view


def test_a_run_that_is_always_lost_is_gone_on_with_three_times_and_the_others_go_on(tmp_path, one_slot):
    study = tiny(seeds=1)
    progress = run_study(study, tmp_path, one_slot, killing("BAM"))
    [(cell, reason)] = progress.failed
    assert cell.row == "BAM"
    assert reason == (
        "interrupted 4 times, the last time its process was ended by SIGKILL (the kernel's out-of-memory killer, "
        "perhaps); see its logs, then --retry failed"
    )
    assert [cell.row for cell, _ in progress.finished] == ["none"]
    lost = gather(study, tmp_path)[1]
    assert (lost.state, lost.manifest.cause, lost.manifest.losses) == ("failed", "interrupted", 4)
    assert run_study(study, tmp_path, one_slot, silent).finished == [], "not again unasked"
    again = run_study(study, tmp_path, replace(one_slot, retry_failed=True), silent)
    assert [cell.row for cell, _ in again.finished] == ["BAM"]
    assert gather(study, tmp_path)[1].manifest.losses == 0


def test_the_fork_server_may_die(tmp_path, one_slot):
    killed = []

    def view(progress):
        if len(progress.finished) == 1 and not killed:
            for child in psutil.Process().children():
                if "forkserver" in " ".join(child.cmdline()):
                    child.kill()
                    killed.append(child.pid)

    progress = run_study(tiny(), tmp_path, one_slot, view)
    assert len(killed) == 1
    assert len(progress.finished) == 4
    assert not progress.failed
    assert [record.state for record in gather(tiny(), tmp_path)] == ["complete"] * 4


def test_an_epoch_that_ends_while_an_earlier_one_is_reported_is_reported_too(tmp_path, one_slot, monkeypatch):
    """The storage takes its time over the first one: the run is over meanwhile."""
    report = StudyTrials.report

    def slow(study_trials, trial, figure, epoch):
        folder = RunFolder(tmp_path / trial.user_attrs["key"])
        until = time.monotonic() + 30
        while folder.result() is None and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)  # and its process has ended
        report(study_trials, trial, figure, epoch)

    monkeypatch.setattr(StudyTrials, "report", slow)
    study = tiny(seeds=1)
    run_study(study, tmp_path, one_slot, silent)
    trials = optuna.load_study(storage=open_storage(tmp_path), study_name=study.label).trials
    assert len(trials) == 2
    for trial in trials:
        metrics = RunFolder(tmp_path / trial.user_attrs["key"]).metrics()
        assert trial.intermediate_values == {line["epoch"]: line["error_top1"] for line in metrics}


@pytest.mark.parametrize("by", ["nothing", "an empty file", "another journal"])
def test_a_journal_that_is_moved_away_ends_the_call_in_one_line_and_the_same_call_goes_on(tmp_path, one_slot, by):
    journal = tmp_path / "studies.journal"

    def view(progress):
        if progress.finished and not (tmp_path / "moved").exists():
            journal.rename(tmp_path / "moved")
            if by == "an empty file":
                journal.touch()
            elif by == "another journal":
                study = optuna.create_study(storage=open_storage(tmp_path), study_name="another")
                for _ in range(20):
                    study.tell(study.ask(), 1.0)
                assert journal.stat().st_size > 2 * (tmp_path / "moved").stat().st_size

    with pytest.raises(FolderError) as caught:
        run_study(tiny(), tmp_path, one_slot, view)
    assert str(caught.value) == (
        f"{journal}: was moved away or replaced while it was in use; the run folders hold what was trained, and the "
        "same command goes on with the journal that is there"
    )
    assert "running" not in {record.state for record in gather(tiny(), tmp_path)}, "and nobody trains on"
    if by == "another journal":
        trials = optuna.load_study(storage=open_storage(tmp_path), study_name="another").trials
        assert [trial.value for trial in trials] == [1.0] * 20, "what was told meant others"
    progress = run_study(tiny(), tmp_path, one_slot, silent)
    assert 1 <= len(progress.before) < 4
    assert [record.state for record in gather(tiny(), tmp_path)] == ["complete"] * 4


def test_a_folder_that_is_removed_costs_its_run_alone_which_begins_anew(tmp_path, one_slot):
    removed = []

    def view(progress):
        for active in progress.active:
            if active.cell.row == "BAM" and not removed and active.folder.metrics():
                removed.append(active.folder.path.rename(tmp_path / "moved"))

    study = tiny(seeds=1)
    root = tmp_path / "runs"
    progress = run_study(study, root, one_slot, view)
    assert removed
    assert sorted(cell.row for cell, _ in progress.finished) == ["BAM", "none"]
    assert [record.state for record in gather(study, root)] == ["complete"] * 2
    assert [len(record.metrics) for record in gather(study, root)] == [2, 2]
    assert gather(study, root)[1].manifest.attempts[0].from_epoch == 0


def test_runs_share_a_device(tmp_path, monkeypatch):
    from studies.job.devices import slots

    most, jobs = [], []

    def noted(context, job, lifeline, lock):
        jobs.append(job)
        return start(context, job, lifeline, lock)

    monkeypatch.setattr(scheduler, "start", noted)
    options = Options(slots=slots([None], 1, 3), wandb="off")
    assert options.slots == [Slot(1, runs_per_device=3)] * 3
    run_study(tiny(), tmp_path, options, lambda progress: most.append(len(progress.active)))
    assert max(most) == 3
    assert {job.ranks_here for job in jobs} == {3}


def test_how_a_process_ended_is_said_in_words():
    assert ended_by(3) == "its process left with code 3"
    assert ended_by(-11) == "its process was ended by SIGSEGV"
    assert ended_by(128 + 15) == "its process was ended by SIGTERM"
    assert ended_by(255) == "its process left with code 255"


def test_a_group_whose_leader_is_killed_is_buried_and_its_run_gone_on_with(tmp_path, one_slot):
    """Its ranks outlive the leader by a moment, with the run's lock in their hands."""
    killed = []

    def view(progress):
        for active in progress.active:
            if not killed and active.epochs:
                os.kill(active.process.pid, signal.SIGKILL)
                killed.append(active.cell.run.key)

    study = tiny(seeds=1)
    progress = run_study(study, tmp_path, replace(one_slot, slots=[Slot(2)]), view)
    assert len(killed) == 1
    assert sorted(cell.row for cell, _ in progress.finished) == ["BAM", "none"]
    losses = {record.run.key: record.manifest.losses for record in gather(study, tmp_path)}
    assert sorted(losses.values()) == [0, 1]
    assert losses[killed[0]] == 1
