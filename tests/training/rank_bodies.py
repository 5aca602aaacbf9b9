"""What tests do in a process that is forked from the warm server, and in the ranks that it launches."""

from __future__ import annotations

from pathlib import Path

from lightning_bam import training
from lightning_bam.folder import RunFolder
from studies import ranks
from studies.devices import Slot
from studies.job import Job
from studies.surroundings import scrub


def exactly(task: tuple[Path, Slot]) -> None:
    """Train a described folder on a slot, in 64 bits where the run says 32: what is left is no rounding."""
    folder, slot = task
    scrub()
    training.PRECISION = {"32": "64-true"}
    job = Job(folder=folder, study="ranks", row="", slot=slot, wandb="off")
    ranks.rank(job) if slot.ranks == 1 else ranks.launch(job)
    assert RunFolder(folder).result() is not None
