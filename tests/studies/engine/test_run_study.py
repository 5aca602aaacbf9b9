"""The engine trains for real here: each test runs process groups forked from one warm server."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from analysis.table.build import tabulate
from lightning_bam.config import BAMSpec, ConfigError, ImageFolder
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.hashes import altered, recorded
from studies.engine import scheduler
from studies.engine.run_study import run_study
from studies.records.records import gather
from studies.storage.journal import journal
from studies.workers.launch import start
from studies.workers.signals import termination_as_interrupt
from tests.studies.conftest import BASE, silent, tiny


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_what_ends_a_scheduler_interrupts_it_once_and_what_is_ignored_stays_so(number):
    other = signal.SIGUSR2 if number == signal.SIGUSR1 else signal.SIGUSR1
    before, usual = signal.signal(other, signal.SIG_IGN), signal.getsignal(number)

    def told():
        with termination_as_interrupt():
            os.kill(os.getpid(), other)
            try:
                os.kill(os.getpid(), number)
            finally:
                os.kill(os.getpid(), number)

    try:
        with pytest.raises(KeyboardInterrupt):
            told()
        assert signal.getsignal(other) == signal.SIG_IGN
        assert signal.getsignal(number) == usual
    finally:
        signal.signal(other, before)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A root in which the tiny study was run once."""
    from studies.engine.scheduler import Options
    from studies.job.devices import Slot

    root = tmp_path_factory.mktemp("runs")
    seen = []
    progress = run_study(
        tiny(), root, Options(slots=[Slot(1), Slot(1)], wandb="off"), lambda p: seen.append(len(p.active))
    )
    assert max(seen) == 2, "both slots are used at the same time"
    assert len(progress.finished) == 4
    assert not progress.failed
    return root


@pytest.fixture
def root(finished, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(finished, tmp_path / "runs")


def test_every_run_is_complete_and_its_figures_follow_from_its_counts(finished):
    records = gather(tiny(), finished)
    assert [(r.row, r.run.seed, r.state) for r in records] == [
        ("none", 0, "complete"),
        ("BAM", 0, "complete"),
        ("none", 1, "complete"),
        ("BAM", 1, "complete"),
    ]
    for record in records:
        result = record.result
        assert result.scored == 500
        assert result.error_top1 == 100 * (500 - result.correct_top1) / 500
        assert result.error_top5 == 100 * (500 - result.correct_top5) / 500
        assert result.error_top5 <= result.error_top1 < 60, "two epochs teach far better than chance (90 %)"
        assert [line["epoch"] for line in record.metrics] == [0, 1]
        assert record.metrics[1]["train_loss"] < record.metrics[0]["train_loss"]
        assert record.manifest.world_size == record.manifest.attempt == 1


def test_every_variant_sees_the_same_first_batch_at_equal_seed(finished):
    first = {(r.row, r.run.seed): r.manifest.first_batch for r in gather(tiny(), finished)}
    assert first["none", 0] == first["BAM", 0]
    assert first["none", 1] == first["BAM", 1]
    assert first["none", 0] != first["none", 1]
    assert len(set(first["none", 0])) == 64


def test_a_second_call_starts_nothing(root, two_slots):
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.suffix == ".json"}
    progress = run_study(tiny(), root, two_slots, silent)
    assert progress.finished == progress.failed == []
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.suffix == ".json"} == before


def test_a_deleted_run_alone_is_trained_again_to_the_last_digit(root, two_slots):
    lost = gather(tiny(), root)[3]
    shutil.rmtree(lost.folder.path)
    progress = run_study(tiny(), root, two_slots, silent)
    assert [(cell.row, cell.run.seed) for cell, _ in progress.finished] == [("BAM", 1)]
    again = gather(tiny(), root)[3]
    same = ("train_loss", "error_top1", "error_top5", "loss")
    assert [[line[n] for n in same] for line in again.metrics] == [[line[n] for n in same] for line in lost.metrics]
    assert again.result.error_top1 == lost.result.error_top1


def test_the_study_is_an_optuna_study(root):
    study = optuna.load_study(study_name="tiny", storage=journal(root))
    trials = study.get_trials()
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 4
    records = {r.run.key: r for r in gather(tiny(), root)}
    for trial in trials:
        record = records[trial.user_attrs["key"]]
        assert trial.params == {"attention": "none" if record.row == "none" else "bam", "seed": record.run.seed}
        assert trial.value == record.result.error_top1
        assert trial.intermediate_values == {line["epoch"]: line["error_top1"] for line in record.metrics}
    assert study.best_value == min(r.result.error_top1 for r in records.values())


def test_studies_share_runs(root, one_slot):
    other = tiny(name="other", rows={"none": BASE, "wide": replace(BASE, attention=BAMSpec(reduction=2, dilation=1))})
    other = other.with_seeds(1)
    progress = run_study(other, root, one_slot, silent)
    assert [cell.row for cell, _ in progress.finished] == ["wide"]
    trials = optuna.load_study(study_name="other", storage=journal(root)).get_trials()
    assert sorted((t.user_attrs["row"], t.state) for t in trials) == [
        ("none", TrialState.COMPLETE),
        ("wide", TrialState.COMPLETE),
    ]


def test_a_run_that_goes_wrong_is_visible_and_not_retried_unasked(tmp_path, one_slot):
    wild = replace(BASE, recipe=replace(BASE.recipe, lr=1e30))
    study = tiny(rows={"none": wild, "BAM": replace(wild, attention=BAMSpec(reduction=4))}, seeds=1)
    progress = run_study(study, tmp_path, one_slot, silent)
    assert len(progress.failed) == 2
    assert progress.failed[0][1] == (
        "training loss is nan after epoch 0; lower recipe.lr=1e+30 or raise recipe.warmup_epochs=0"
    )
    assert [r.state for r in gather(study, tmp_path)] == ["failed", "failed"]
    assert run_study(study, tmp_path, one_slot, silent).failed == []
    assert len(run_study(study, tmp_path, replace(one_slot, retry_failed=True), silent).failed) == 2
    assert gather(study, tmp_path)[0].manifest.attempt == 2


def test_tries_that_failed_stay_in_the_record_and_the_table_tells_of_them(tmp_path, one_slot, monkeypatch):
    """A folder where a checkpoint's temporary file was makes a run fail that trains once it is gone."""
    study = tiny(seeds=1)
    first, second = (RunFolder.of(tmp_path, cell.run) for cell in study.runs())
    in_the_way = second.path / "checkpoints" / ".last.ckpt.1"

    def blocked(*job):
        if job[1].folder.name == second.path.name:
            in_the_way.mkdir(parents=True, exist_ok=True)
        return start(*job)

    again = replace(one_slot, retry_failed=True)
    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "start", blocked)
        assert len(run_study(study, tmp_path, one_slot, silent).failed) == 1
        assert len(run_study(study, tmp_path, again, silent).failed) == 1
    in_the_way.rmdir()
    assert len(run_study(study, tmp_path, again, silent).finished) == 1
    assert [made.failed is not None for made in first.manifest().attempts] == [False]
    *tried, last = second.manifest().attempts
    assert [(made.attempt, made.cause) for made in tried] == [(1, "error"), (2, "error")]
    assert all("checkpoints" in made.failed for made in tried)
    assert (last.attempt, last.from_epoch, last.anew) == (3, 0, True)
    assert second.manifest().effective == [last]
    assert altered(second, recorded(second)) == {}
    told = "'BAM' took several tries: seed 0 failed twice before the figure came."
    table = tabulate(gather(study, tmp_path), study)
    assert table.notes.count(told) == 1
    assert [row.notes for row in table.rows] == [(), (told,)]


def test_a_worker_retries_nothing_that_another_has_retried_since_it_began(tmp_path, one_slot, monkeypatch):
    wild = replace(BASE, recipe=replace(BASE.recipe, lr=1e30))
    study = tiny(rows={"none": wild, "BAM": replace(wild, attention=BAMSpec(reduction=4))}, seeds=1)
    assert len(run_study(study, tmp_path, one_slot, silent).failed) == 2
    again = replace(one_slot, retry_failed=True)
    theirs = []

    def while_another_retries(*job):
        monkeypatch.setattr(scheduler, "start", start)
        theirs.append(run_study(study, tmp_path, again, silent))
        return start(*job)

    monkeypatch.setattr(scheduler, "start", while_another_retries)
    ours = run_study(study, tmp_path, replace(again, wait_for_others=True), silent)
    assert (len(theirs[0].failed), len(ours.failed)) == (1, 1), "one had begun here"
    assert [record.manifest.attempt for record in gather(study, tmp_path)] == [2, 2]


def test_what_cannot_be_trained_is_said_before_anything_starts(tmp_path, one_slot):
    wide = tiny(rows={"none": BASE, "BAM": replace(BASE, attention=BAMSpec(reduction=5))})
    with pytest.raises(ConfigError, match=r"row 'BAM': layer 'layer1': reduction=5: 4 channels are fewer"):
        run_study(wide, tmp_path, one_slot, silent)
    assert [r.state for r in gather(wide, tmp_path)] == ["missing"] * 4


def test_one_sample_per_device_is_said_before_anything_starts(tmp_path, two_slots):
    from studies.job.devices import Slot

    alone = replace(BASE, recipe=replace(BASE.recipe, batch_size=2))
    study = tiny(rows={"none": alone, "BAM": replace(alone, attention=BAMSpec(reduction=4))})
    with pytest.raises(ConfigError, match=r"one training sample per device.*raise recipe.batch_size"):
        run_study(study, tmp_path, replace(two_slots, slots=[Slot(2)]), silent)


def test_a_run_that_another_process_trains_is_left_to_it(tmp_path, one_slot):
    study = tiny(seeds=1)
    theirs = study.runs()[0].run
    folder = RunFolder.of(tmp_path, theirs)
    folder.describe(theirs)
    lock = folder.acquire()
    assert lock is not None
    progress = run_study(study, tmp_path, one_slot, silent)
    assert [cell.row for cell, _ in progress.finished] == ["BAM"]
    assert [r.state for r in gather(study, tmp_path)] == ["running", "complete"]


def test_a_folder_of_another_run_is_refused(root, two_slots):
    records = gather(tiny(), root)
    shutil.rmtree(records[0].folder.path)
    shutil.copytree(records[1].folder.path, records[0].folder.path)
    with pytest.raises(FolderError, match=f"describes run {records[1].run.key}"):
        run_study(tiny(), root, two_slots, silent)


def test_a_torn_record_is_refused_and_kept(root, two_slots):
    metrics = gather(tiny(), root)[0].folder.path / "metrics.jsonl"
    torn = metrics.read_text()[:-30]
    metrics.write_text(torn)
    with pytest.raises(FolderError, match=r"metrics.jsonl: torn: line 2"):
        run_study(tiny(), root, two_slots, silent)
    assert metrics.read_text() == torn


def test_result_and_metrics_must_agree(root):
    folder = gather(tiny(), root)[0].folder
    result = json.loads((folder.path / "result.json").read_text())
    (folder.path / "result.json").write_text(json.dumps(result | {"error_top1": 0.0}))
    with pytest.raises(FolderError, match=r"result.json says error 0.0 after 2 epochs, metrics.jsonl"):
        gather(tiny(), root)


def test_a_study_is_registered_once_its_data_is_found(tmp_path, one_slot, monkeypatch):
    """Whoever has mistyped a name has no study of that in the journal for ever."""
    monkeypatch.setenv("BAM_DATA", str(tmp_path / "data"))
    absent = replace(BASE, dataset=ImageFolder(name="absent"))
    rows = {"none": absent, "BAM": replace(absent, attention=BAMSpec(reduction=4, dilation=1))}
    with pytest.raises(ConfigError, match="absent"):
        run_study(tiny(rows=rows), tmp_path / "runs", one_slot, silent)
    assert optuna.get_all_study_names(journal(tmp_path / "runs")) == []
    run_study(tiny(seeds=1), tmp_path / "runs", one_slot, silent)
    assert optuna.get_all_study_names(journal(tmp_path / "runs")) == ["tiny"]
