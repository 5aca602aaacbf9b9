"""A study of detectors goes by mAP: in its trials, its states and its table."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest

from analysis.table.build import tabulate
from lightning_bam.config import BAMSpec, DigitScenes, FasterRCNN, Run
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import Result, headline, reported
from studies import Study
from studies.engine.study_trials import StudyTrials
from studies.records.records import gather

PLAIN = Run(dataset=DigitScenes(), backbone=FasterRCNN())
STUDY = Study(
    name="detectors",
    question="Does BAM help a detector?",
    rows={"none": PLAIN, "BAM": replace(PLAIN, attention=BAMSpec(reduction=4))},
    baseline="none",
    scientific=("attention",),
    seeds=3,
    metric="map_50_95",
)
FIGURES = {"none": [20.0, 20.25, 20.125], "BAM": [22.0, 22.125, 22.0]}


@pytest.fixture
def root(tmp_path):
    for row, run in STUDY.runs():
        folder = RunFolder.of(tmp_path, run)
        folder.describe(run)
        folder.note(state="complete")
        folder.append_epoch({"epoch": 0, "train_loss": len(row) + run.seed / 8})  # not scored
        folder.append_epoch({"epoch": 1, "train_loss": 1.0, "map_50_95": FIGURES[row][run.seed]})
        folder.finish(
            Result(
                map_50_95=FIGURES[row][run.seed], map_50=40.0, map_75=15.0,
                scored=10, epochs=2, params=7, macs=11, seconds=1.0,
            )
        )  # fmt: skip
    return tmp_path


def test_a_rise_in_map_is_better(root):
    table = tabulate(gather(STUDY, root), STUDY)
    assert [str(row.verdict) for row in table.rows] == ["baseline", "better"]
    assert table.rows[1].delta.mean == pytest.approx(23 / 12)  # 2, 1.875, 1.875
    assert table.rows[0].errors == dict(enumerate(FIGURES["none"]))


def test_trials_maximise_map(root):
    study_trials = StudyTrials(root, STUDY)
    study_trials.bring_up_to_date(gather(STUDY, root))
    assert study_trials.optuna.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study_trials.optuna.best_value == 22.125
    assert study_trials.optuna.user_attrs["objective"] == "map_50_95 in percent"
    assert study_trials.optuna.trials[0].intermediate_values == {1: 20.0}, "the epoch that was not scored is left out"


def test_a_result_of_the_other_kind_is_refused(root):
    (record, *_) = gather(STUDY, root)
    assert headline(record.run).name == "map_50_95"
    classified = Result(
        error_top1=1.0, error_top5=1.0, correct_top1=1, correct_top5=1, loss=1.0,
        scored=1, epochs=2, params=7, macs=11, seconds=1.0,
    )  # fmt: skip
    with pytest.raises(ValueError, match="its result has no map_50_95"):
        reported(record.run, classified)
    record.folder.finish(classified)
    with pytest.raises(FolderError, match="result.json says mAP None after 2 epochs, metrics.jsonl 20.0 after 2"):
        gather(STUDY, root)
