"""Process groups that train one run, forked from the warm server as the scheduler forks them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import replace

import torch

from lightning_bam.config import BAMSpec, Digits, Recipe, Run, SmallResNet
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import TIMES
from studies.job.devices import Slot
from studies.job.job import Job
from studies.workers.forkserver import forkserver
from studies.workers.launch import start

RUN = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=3),
    attention=BAMSpec(reduction=3, dilation=1),
    recipe=Recipe(epochs=4, batch_size=98, lr=0.05, schedule="cosine", crop_padding=1, flip=True),
    seed=11,
)
"""13 batches an epoch."""


def described(root, run=RUN):
    """Return the run's folder."""
    folder = RunFolder.of(root, run)
    folder.describe(run)
    return folder


def longer(run=RUN, **recipe):
    """Return the run with another recipe."""
    return replace(run, recipe=replace(run.recipe, **recipe))


class Group:
    """A process group at work on a folder."""

    def __init__(self, folder, ranks=1, gpus=()):
        context = forkserver()
        lock = folder.acquire()
        assert lock is not None, "nobody else trains it"
        self.folder = folder
        self.before = folder.manifest().attempt
        lifeline, self.alive = context.Pipe(duplex=False)
        job = Job(folder=folder.path.absolute(), study="test", row="row", slot=Slot(ranks, gpus), wandb="off")
        self.process = start(context, job, lifeline, lock)
        os.close(lock)

    def tell(self, number):
        """Send a signal to all of it."""
        with suppress(ProcessLookupError):  # it has just finished
            os.killpg(self.process.pid, number)

    def code(self, limit=60):
        """Wait for its end, that of every rank, and return the exit code."""
        deadline = time.monotonic() + limit
        self.process.join(limit)
        while self.process.exitcode is None or self.folder.state() == "running":
            if time.monotonic() > deadline:
                self.tell(signal.SIGKILL)
                raise AssertionError(f"still there after {limit} s")
            pause()
        return self.process.exitcode

    def wait_for(self, what, limit=60):
        """Poll closely until `what()` holds; returns whether it did before the group ended."""
        deadline = time.monotonic() + limit
        while not what():
            assert time.monotonic() < deadline, "it never came"
            if self.process.exitcode is not None:
                return False
        return True

    def wait_until_training(self):
        """Wait until this attempt has begun and written anything: its first batch is behind it, or soon will be."""
        attempt = self.before + 1
        return self.wait_for(lambda: pause() or self.folder.manifest().attempt >= attempt)


def pause():
    """Leave the processor to others for an instant."""
    time.sleep(0.005)


def trained(folder, ranks=1, gpus=(), limit=60):
    """Train to the end, which comes within `limit` seconds."""
    assert Group(folder, ranks, gpus).code(limit) == 0, folder.log.read_text()
    return folder


def figures(folder):
    """Return all that an epoch's line says but how long it took."""
    return [{name: value for name, value in line.items() if name not in TIMES} for line in folder.metrics()]


def same_weights(one, two):
    """Say whether the last checkpoints agree in every bit of weights, buffers, averages and an optimizer's state."""
    left, right = (torch.load(folder.checkpoint, weights_only=True, map_location="cpu") for folder in (one, two))
    names = ("state_dict", "optimizer_states", *(["averaging"] if "averaging" in left else []))
    return all(_same(left[name], right[name]) for name in names)


def _same(one, two):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return list(one) == list(two) and all(_same(one[name], two[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(_same, one, two))
    return one == two
