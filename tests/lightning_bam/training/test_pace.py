"""How long a run will take, by a clock that ticks once whenever it is read."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from lightning_bam.config import BAMSpec, ConfigError, Digits, Recipe, Run, SmallResNet
from lightning_bam.training.pace import pace

RUN = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=3),
    attention=BAMSpec(reduction=3),
    recipe=Recipe(epochs=3, batch_size=160, schedule="cosine", crop_padding=0, flip=False),
)


def test_steps_and_scoring_of_all_epochs(monkeypatch):
    """20 steps in a tick, and one of scoring: 8 steps and one batch of 500 scored images an epoch, three epochs."""
    ticks = count()
    monkeypatch.setattr("lightning_bam.training.pace.time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    found = pace(RUN, "cpu", 1)
    assert found.images_per_s == 160 * 20
    assert found.seconds == pytest.approx(3 * 8 / 20 + 3 * 1)


def test_a_run_that_cannot_be_trained_is_refused_as_by_a_training():
    with pytest.raises(ConfigError, match="^recipe.batch_size=160 is more than the 100 train images"):
        pace(Run(dataset=Digits(train=100), recipe=RUN.recipe), "cpu", 1)
