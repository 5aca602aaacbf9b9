"""Studies small enough to be trained for real in a test: plain 8x8 digits, a net of width 4, two epochs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lightning_bam.config import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Study
from studies.devices import Slot
from studies.scheduler import Options

BASE = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=2, batch_size=64, lr=0.1, schedule="cosine", crop_padding=0, flip=False),
)


def tiny(**changes):
    """Return a study of two rows and two seeds."""
    fields = {
        "name": "tiny",
        "question": "Does BAM help on plain digits?",
        "rows": {"none": BASE, "BAM": replace(BASE, attention=BAMSpec(reduction=4, dilation=1))},
        "baseline": "none",
        "scientific": ("attention",),
        "seeds": 2,
    }
    return Study(**fields | changes)


@pytest.fixture
def study():
    return tiny()


@pytest.fixture
def one_slot():
    return Options(slots=[Slot(1)], wandb="off")


@pytest.fixture
def two_slots():
    return Options(slots=[Slot(1), Slot(1)], wandb="off")


def silent(progress):
    """Show nothing."""
