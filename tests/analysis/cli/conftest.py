"""A user's folder with a study that was trained for real: four runs of two epochs, some seconds in all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from analysis.cli import main
from lightning_bam.run_folder.folder import RunFolder
from studies.library import find_study

TINY = '''"""Does BAM help on plain digits?"""
from dataclasses import replace
from lightning_bam import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Study

base = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=2, batch_size=64, schedule="cosine", crop_padding=0, flip=False),
)
STUDY = Study(
    name="tiny",
    question="Does BAM help on plain digits?",
    rows={"none": base, "BAM": replace(base, attention=BAMSpec(reduction=4, dilation=1))},
    baseline="none",
    scientific=("attention",),
    seeds=2,
)
'''


@pytest.fixture(scope="session")
def tiny_home(tmp_path_factory):
    """The folder, trained once; `tiny_copy` is one to damage."""
    home = tmp_path_factory.mktemp("tiny")
    (home / "tiny.py").write_text(TINY)
    assert (
        main(["run", str(home / "tiny.py"), "--root", str(home / "runs"), "--devices", "cpu:2", "--wandb", "off"]) == 0
    )
    return home


@pytest.fixture
def tiny_copy(tiny_home, tmp_path, monkeypatch):
    """Be in a copy of it, and return its run folders: (row, seed) -> folder."""
    shutil.copytree(tiny_home, tmp_path / "user")
    monkeypatch.chdir(tmp_path / "user")
    return {(row, run.seed): RunFolder.of(Path("runs"), run) for row, run in find_study("tiny.py").runs()}
