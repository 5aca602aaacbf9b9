"""Where Lightning keeps what a checkpoint is asked for: when one of these fails, its layout has moved."""

from __future__ import annotations

import pytest
import torch

from lightning_bam.config import Digits, Recipe, Run
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.training.checkpoint import _processed_epochs, _restart_scoring
from lightning_bam.training.train import train


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = RunFolder.of(tmp_path_factory.mktemp("runs"), run := Run(dataset=Digits(), recipe=Recipe(epochs=2)))
    folder.describe(run)
    train(folder)
    return torch.load(folder.checkpoint, weights_only=True)


def test_the_number_of_epochs_that_had_ended(checkpoint):
    assert _processed_epochs(checkpoint) == 2


def test_the_progress_of_a_scoring(checkpoint):
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
    assert all(set(progress[part]) == {"ready", "started", "processed", "completed"} for part in ("total", "current"))
    _restart_scoring(checkpoint)
    assert progress["current"] == {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    assert set(progress) == {"total", "current", "is_last_batch"}


def test_nothing_of_a_folder_is_in_its_callbacks(checkpoint):
    assert list(checkpoint["callbacks"]) == ["Recorder"]
