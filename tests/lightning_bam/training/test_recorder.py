"""The clock of an epoch: how long it trained and how long it was scored, over interruptions, too; and its memory."""

from __future__ import annotations

import time
from types import SimpleNamespace

import torch
from pytorch_lightning import Callback

from lightning_bam.config import Digits, Recipe, Run, SmallResNet
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.training.recorder import Recorder
from tests.lightning_bam.training.here import trained_here

TRAINER = SimpleNamespace(
    is_global_zero=False,
    strategy=SimpleNamespace(root_device=torch.device("cpu")),
    optimizers=[SimpleNamespace(param_groups=[{"lr": 0.1}])],
)


def test_memory_is_the_most_so_far_in_gib(tmp_path, monkeypatch):
    """What a GPU would say, of which there may be none here; tests/gpu asks one."""
    most = iter([3 * 2**28, 5 * 2**28])
    monkeypatch.setattr("lightning_bam.training.recorder.peak_memory", lambda _: next(most))
    recipe = Recipe(epochs=2, batch_size=97)
    folder = trained_here(tmp_path, Run(dataset=Digits(), backbone=SmallResNet(width=3), recipe=recipe))
    assert [line["memory_gib"] for line in folder.metrics()] == [0.75, 1.25]


class Look(Callback):
    """Reads, after each batch, what the run says of itself."""

    def __init__(self, folder):
        self.folder, self.seen = folder, []

    def on_train_batch_end(self, *_):
        self.seen.append(self.folder.within())


def test_within_an_epoch_a_run_says_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("lightning_bam.training.recorder.TELL", 0.0)
    run = Run(dataset=Digits(), backbone=SmallResNet(width=3), recipe=Recipe(epochs=2, batch_size=260))
    look = Look(RunFolder.of(tmp_path, run))
    folder = trained_here(tmp_path, run, look)
    whole = [within and (within.epoch, within.of) for within in look.seen]
    assert whole == [None, None, *[(0, 4)] * 4, *[(1, 4)] * 2], "said behind the callback that looks"
    batches = [within.batches for within in look.seen if within is not None]
    assert batches[:3] == sorted(batches[:3])
    assert max(batches) <= 4
    assert all(within.images_per_s > 0 for within in look.seen if within is not None)
    assert folder.within() is None, "only while it is trained"
    assert "within.json" not in {path.name for path in folder.path.iterdir()}


def test_how_far_it_is_costs_nothing_more_than_once_a_second(tmp_path):
    run = Run(dataset=Digits(), backbone=SmallResNet(width=3), recipe=Recipe(epochs=1, batch_size=16))
    look = Look(RunFolder.of(tmp_path, run))
    started = time.monotonic()
    trained_here(tmp_path, run, look)
    assert len({within for within in look.seen if within}) <= time.monotonic() - started + 1


def test_a_scoring_that_begins_anew_is_no_training(tmp_path, monkeypatch):
    """Trained for 10 s, then scored for 3, when it is interrupted; loaded after 100 s, and scored again."""
    now = [50.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    first, second = (Recorder(RunFolder(tmp_path), None) for _ in range(2))
    first.on_train_epoch_start(TRAINER, None)
    now[0] += 10
    before = first.state_dict()
    first.on_validation_start(TRAINER, None)
    now[0] += 3
    during = first.state_dict()
    now[0] += 100
    second.load_state_dict(during)
    now[0] += 2
    second.on_validation_start(TRAINER, None)
    assert (second.trained, now[0] - second.clock) == (10, 15)
    second.load_state_dict(before)
    now[0] += 7
    second.on_validation_start(TRAINER, None)
    assert second.trained == 17, "it was still training"
    second.on_train_epoch_start(TRAINER, None)
    assert second.trained is None
    second.load_state_dict({name: before[name] for name in ("seconds", "lr")})  # of an older version
    assert second.trained is None
