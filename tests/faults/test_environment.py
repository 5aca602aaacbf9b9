"""What the environment says changes no figure: a run is described by its `Run`, and what else counts is recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import TIMES
from lightning_bam.run_folder.provenance import CPU_SETTINGS, GPU_SETTINGS, provenance, settings
from lightning_bam.training.train import train
from tests.studies.conftest import BASE
from tests.studies.tracking.wandb_file import read

RUN = replace(BASE, recipe=replace(BASE.recipe, epochs=2))
TRAINER = {
    "ACCUMULATE_GRAD_BATCHES": "4",
    "LIMIT_TRAIN_BATCHES": "3",
    "GRADIENT_CLIP_VAL": "0.001",
    "OVERFIT_BATCHES": "2",
    "FAST_DEV_RUN": "True",
    "MAX_STEPS": "5",
    "DETECT_ANOMALY": "True",
    "RELOAD_DATALOADERS_EVERY_N_EPOCHS": "1",
}
HOSTILE = {
    **{f"PL_TRAINER_{name}": value for name, value in TRAINER.items()},
    **dict.fromkeys(("NODE_RANK", "RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK", "OMPI_COMM_RANK"), "1"),
    **dict.fromkeys(("WORLD_SIZE", "SLURM_NTASKS", "JSM_NAMESPACE_SIZE", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "2"),
    "PL_GLOBAL_SEED": "17",
    "PL_SEED_WORKERS": "1",
    "CUDA_VISIBLE_DEVICES": "0",
    "NVIDIA_TF32_OVERRIDE": "1",
    "WANDB_SWEEP_ID": "sweep",
    "WANDB_RUN_ID": "another",
    "WANDB_RUN_GROUP": "a-group",
    "WANDB_NAME": "a-name",
    "WANDB_JOB_TYPE": "a-type",
    "WANDB_RESUME": "must",
    "WANDB_SWEEP_PARAM_PATH": "/nowhere/knobs.yaml",
}


def figures(folder):
    return [{name: value for name, value in line.items() if name not in TIMES} for line in folder.metrics()]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = RunFolder.of(tmp_path_factory.mktemp("runs"), RUN)
    folder.describe(RUN)
    train(folder)
    return figures(folder)


def test_what_lightning_reads_from_the_environment_trains_nothing_else(tmp_path, monkeypatch, plain):
    """All at once, since any of them would alone change what is trained or how it is told."""
    for name, value in TRAINER.items():
        monkeypatch.setenv(f"PL_TRAINER_{name}", value)
    folder = RunFolder.of(tmp_path, RUN)
    folder.describe(RUN)
    train(folder)
    assert figures(folder) == plain
    assert {name: os.environ[f"PL_TRAINER_{name}"] for name in TRAINER} == TRAINER, "they are the caller's"


def test_a_study_trains_the_same_inside_any_other_launcher_and_sweep(tmp_path, plain):
    (tmp_path / "mine.py").write_text(
        "from tests.faults.test_environment import RUN\n"
        "from tests.studies.conftest import tiny\n"
        "STUDY = tiny(seeds=1, rows={'none': RUN}, scientific=())\n"
    )
    command = [sys.executable, "-m", "analysis.cli", "run", str(tmp_path / "mine.py"), "--wandb", "offline"]
    environment = os.environ | HOSTILE | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [*command, "--root", str(tmp_path / "runs")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    folder = RunFolder.of(tmp_path / "runs", RUN)
    assert figures(folder) == plain
    assert folder.manifest().device == "cpu"
    told = read(folder.path)["run"]
    assert (told.run_id, told.run_group, told.job_type) == (RUN.key, "tiny", "none")
    assert (told.display_name, told.project, told.sweep_id) == ("none / seed 0", "lightning-bam", "")


def test_what_libraries_choose_kernels_by_is_recorded(monkeypatch):
    for name in (*CPU_SETTINGS, *GPU_SETTINGS):
        monkeypatch.delenv(name, raising=False)
    before = provenance()["cpu"]
    assert "(" not in before
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    assert provenance()["cpu"] == f"{before} (ONEDNN_MAX_CPU_ISA=AVX2, MKL_CBWR=COMPATIBLE)"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    assert settings(GPU_SETTINGS) == ""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    assert settings(GPU_SETTINGS) == " (CUBLAS_WORKSPACE_CONFIG=:16:8)"
