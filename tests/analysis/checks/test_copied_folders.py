"""A copied run folder is refused, whatever of it was made to fit; a identical and an honest run are not."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from analysis.checks.copied_folders import refuse_copies
from lightning_bam.config import BAMSpec, to_dict
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import SCHEMA, RunFolder
from studies.records.records import gather
from tests.analysis.synthetic import STUDY, finish, interrupt

NONE, BAM = STUDY.rows["none"], STUDY.rows["BAM"]


def copied(root, source, target, *, key=True):
    """Copy a run's folder to another run's and describe it anew; with `key` the manifest, too, is made to fit."""
    folder = RunFolder.of(root, target)
    shutil.copytree(RunFolder.of(root, source).path, folder.path)
    (folder.path / "run.json").write_text(json.dumps({"schema": SCHEMA, "key": target.key, "run": to_dict(target)}))
    if key:
        folder.note(key=target.key)
    return folder


def checked(root):
    refuse_copies(gather(STUDY, root))


@pytest.mark.parametrize("target", [replace(NONE, seed=1), replace(BAM, seed=3)], ids=["other seed", "other row, seed"])
@pytest.mark.parametrize("finished", [True, False])
def test_the_same_record_at_another_seed(tmp_path, target, finished):
    if finished:
        first = finish(tmp_path, NONE, 20.0)
    else:
        interrupt(tmp_path, NONE, "interrupted")
        first = RunFolder.of(tmp_path, NONE)
    checked(tmp_path)
    copy = copied(tmp_path, NONE, target)
    row = "none" if target.attention is None else "BAM"
    with pytest.raises(FolderError) as error:
        checked(tmp_path)
    assert str(error.value) == (
        f"{copy.path} ({row!r}, seed {target.seed}): metrics.jsonl is identical to that of {first.path} "
        "('none', seed 0), though another seed is another order of the data: copied? remove the copy to train it again"
    )


def test_the_same_record_at_the_same_seed_is_a_twin(tmp_path):
    finish(tmp_path, NONE, 20.0)
    copied(tmp_path, NONE, BAM)
    checked(tmp_path)


def test_equal_results_of_different_trainings_are_no_copies(tmp_path):
    for seed in range(3):
        finish(tmp_path, replace(NONE, seed=seed), 20.0, loss=2.0 + seed / 1e9)
    checked(tmp_path)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_manifest_of_another_run(tmp_path, seed):
    finish(tmp_path, NONE, 20.0, key=NONE.key)
    target = replace(BAM, seed=seed)
    copy = copied(tmp_path, NONE, target, key=False)
    with pytest.raises(FolderError) as error:
        checked(tmp_path)
    assert str(error.value) == (
        f"{copy.path}/manifest.json: is of run {NONE.key}, not of {target.key}: copied from there? "
        "remove this run folder to train it again"
    )


def test_records_of_versions_that_noted_no_key_are_read(tmp_path):
    finish(tmp_path, NONE, 20.0)
    finish(tmp_path, BAM, 20.0, loss=3.0)
    assert RunFolder.of(tmp_path, NONE).manifest().key is None
    checked(tmp_path)


def test_runs_that_have_not_finished_an_epoch_are_not_compared(tmp_path):
    for seed in range(2):
        folder = RunFolder.of(tmp_path, replace(NONE, seed=seed, attention=BAMSpec()))
        folder.describe(replace(NONE, seed=seed, attention=BAMSpec()))
        folder.note(state="failed", error="boom")
    checked(tmp_path)
