"""A run trained in this process, watched or ended by callbacks of a test."""

from __future__ import annotations

import signal

import pytest
from pytorch_lightning import Callback

from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.training import train as training


def trained_here(root, run, *callbacks, **arguments):
    """Train a run, or resume it, with callbacks before its own; returns its folder."""
    folder = RunFolder.of(root, run)
    folder.describe(run)
    make = training.trainer

    def with_callbacks(run, folder, device, world, ours, logger):
        return make(run, folder, device, world, [*callbacks, *ours], logger)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "trainer", with_callbacks)
        training.train(folder, **arguments)
    return folder


class Stop(Callback):
    """Says, as a signal would, that the run is to end: after so many steps, or so many batches that are scored."""

    def __init__(self, signals, where, count):
        self.signals, self.where, self.left = signals, where, count

    def on_train_batch_end(self, *_):
        self._count("step")

    def on_validation_batch_end(self, *_):
        self._count("scored batch")

    def _count(self, where):
        if where == self.where:
            self.left -= 1
            if self.left == 0:
                self.signals.number = signal.SIGTERM
