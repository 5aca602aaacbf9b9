"""Studies small enough to be trained for real in a test: plain 8x8 digits, a net of width 4, two epochs."""

from __future__ import annotations

import math
import os
import uuid
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy.engine import make_url

from lightning_bam.config import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Study
from studies.engine.scheduler import Options
from studies.job.devices import Slot
from studies.storage.postgres import outage

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


@pytest.fixture
def postgres(monkeypatch):
    """Return the address of an empty database of its own on the server that BAM_TEST_POSTGRES names.

    What an earlier test has seen of a database that was away is forgotten: for a minute nobody would be taken for dead.
    """
    monkeypatch.setattr(outage, "away", -math.inf)
    server = os.environ.get("BAM_TEST_POSTGRES")
    if not server:
        pytest.skip("no PostgreSQL: set BAM_TEST_POSTGRES to an address whose user may create databases")
    name = f"bam_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"drop database {name} with (force)")
