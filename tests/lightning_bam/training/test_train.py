"""One run, trained for real in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F
from pytorch_lightning.loggers.logger import DummyLogger

from lightning_bam.config import BAMSpec, ClutteredDigits, ConfigError, Digits, EveryBlock, Recipe, Run, SmallResNet
from lightning_bam.data import Batches, ImageData, augment, normalise
from lightning_bam.network import build
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import Attempt
from lightning_bam.training.checkpoint import AtomicCheckpointIO
from lightning_bam.training.optimizer import lr_factor
from lightning_bam.training.recorder import TrainingError
from lightning_bam.training.train import _paces, train

RECIPE = Recipe(epochs=2, batch_size=97, lr=0.05, schedule="cosine", crop_padding=1, flip=True)
RUN = Run(dataset=Digits(), backbone=SmallResNet(width=3), recipe=RECIPE, seed=11)


def trained(root, run):
    folder = RunFolder.of(root, run)
    folder.describe(run)
    return folder, train(folder)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs"), RUN)


def by_hand(run):
    """Train by a bare loop: the network, SGD, the schedule and the batches, nothing of Lightning.

    Returns the mean loss of each epoch, the first step's, and how many of the scored images are right.
    """
    torch.manual_seed(12345)  # must not matter
    network = build(run)
    recipe, images = run.recipe, ImageData(run).images
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )
    losses, steps = [], []
    for epoch in range(recipe.epochs):
        batches = Batches(
            n=len(images.train), batch_size=recipe.batch_size, padding=recipe.crop_padding, seed=run.seed, epoch=epoch
        )
        network.train()
        for batch in batches:
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr * lr_factor(recipe, len(steps), len(batches))
            x = augment(images.train[batch.indices], batch.offsets, batch.flips, recipe.crop_padding)
            x = normalise(x, images.mean, images.std)
            loss = F.cross_entropy(network(x), images.train_labels[batch.indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps.append(loss.item())
        losses.append(sum(steps[-len(batches) :]) / len(batches))
    network.eval()
    with torch.no_grad():  # one image at a time: no batch can hide a padded or repeated sample
        x = normalise(images.test, images.mean, images.std)
        ranks = [
            int((logits > logits[label]).sum())
            for logits, label in ((network(x[i : i + 1])[0], images.test_labels[i]) for i in range(len(x)))
        ]
    return losses, steps[0], sum(r == 0 for r in ranks), sum(r < 5 for r in ranks), len(ranks)


def test_a_bare_loop_gives_the_same_losses_and_counts(reference):
    folder, result = reference
    torch.set_num_threads(1)
    losses, first, top1, top5, scored = by_hand(RUN)
    assert [line["train_loss"] for line in folder.metrics()] == pytest.approx(losses, rel=1e-6)
    assert folder.manifest().first_loss == pytest.approx(first, rel=1e-6)
    assert (result.correct_top1, result.correct_top5, result.scored) == (top1, top5, scored)
    assert scored == 500


def test_the_record(reference):
    folder, result = reference
    last = folder.metrics()[-1]
    assert folder.state() == "complete"
    assert folder.result() == result
    assert result.epochs == 2
    assert [line["lr"] for line in folder.metrics()] == pytest.approx([0.05, 0.025]), "cosine, at the epochs' beginning"
    assert set(last) >= {"train_loss", "error_top1", "error_top5", "loss"}
    assert result.seconds == pytest.approx(sum(line["seconds"] for line in folder.metrics()), abs=1e-3)
    manifest = folder.manifest()
    assert manifest.state == "complete"
    assert manifest.key == RUN.key
    assert len(manifest.first_batch) == 97
    assert 2 < manifest.first_loss < 3, "ten classes and nothing learnt: about log 10"
    assert [attempt.from_epoch for attempt in manifest.attempts] == [0]
    assert manifest.torch == torch.__version__.partition("+")[0]
    assert folder.checkpoint.exists()


def test_the_record_of_what_it_cost(reference):
    """1297 train images in batches of 97, the last incomplete one dropped: 13 batches, 1261 images an epoch."""
    folder, _ = reference
    manifest = folder.manifest()
    assert (manifest.cost.images, manifest.cost.memory) == (1261, None)
    assert 1e-5 < manifest.cost.latency < 1, "seconds"
    assert all(0 < line["train_seconds"] < line["seconds"] for line in folder.metrics()), "without the scoring"
    assert manifest.cost.epoch_seconds == sum(line["train_seconds"] for line in folder.metrics()) / 2
    assert manifest.attempts[0].ended == manifest.ended
    for line in folder.metrics():
        assert line["images_per_s"] == round(1261 / line["train_seconds"], 3)


def test_the_same_run_gives_the_same_bits(reference, tmp_path):
    folder, _ = trained(tmp_path, RUN)
    names = ("train_loss", "loss", "correct_top1", "correct_top5")
    assert [[line[n] for n in names] for line in folder.metrics()] == [
        [line[n] for n in names] for line in reference[0].metrics()
    ]
    ours, theirs = (torch.load(f.checkpoint, weights_only=True)["state_dict"] for f in (folder, reference[0]))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_training_leaves_what_it_did_not_change(reference):
    """A finished folder is trained no further: its checkpoint is at the end."""
    folder, result = reference
    before = folder.metrics()
    again = train(folder)
    assert again.error_top1 == result.error_top1
    assert folder.metrics() == before


def test_a_run_that_lost_nothing_but_its_result_is_finished(reference, tmp_path):
    folder, result = trained(tmp_path, RUN)
    (folder.path / "result.json").unlink()
    assert folder.state() == "interrupted"
    assert train(folder).error_top1 == result.error_top1
    assert [attempt.from_epoch for attempt in folder.manifest().attempts] == [0, 2]
    assert (folder.manifest().cost.images, folder.manifest().cost.epoch_seconds) == (1261, None)


@pytest.mark.parametrize(
    ("start", "paces"),
    [((0, 0), [1.0, 2.0, 3.0]), ((1, 0), [2.0, 3.0]), ((1, 5), [3.0]), ((2, 5), []), ((None, None), [])],
)
def test_the_pace_is_of_epochs_that_the_last_attempt_has_trained_whole(start, paces):
    lines = [{"train_seconds": 1.0}, {"train_seconds": 2.0}, {"train_seconds": 3.0}]
    assert _paces(lines, Attempt(from_epoch=start[0], from_batch=start[1])) == paces
    assert _paces([{}, {"train_seconds": 4.0}], Attempt(from_epoch=1)) == [4.0], "an older version began it"


CHANGED = {
    "epochs": 3,
    "batch_size": 53,
    "lr": 0.06,
    "momentum": 0.8,
    "nesterov": False,
    "weight_decay": 1e-3,
    "schedule": "constant",
    "warmup_epochs": 0.5,
    "optimizer": "adamw",
    "clip_grad_norm": 0.1,
    "label_smoothing": 0.1,
    "mixup": 0.4,
    "cutmix": 1.0,
    "ema": 0.9,
    "crop_padding": 2,
    "flip": False,
    "precision": "bf16",
}


OTHERWISE = {
    "milestones": ({"schedule": "step", "milestones": (0.5,)}, (0.9,)),
    "gamma": ({"schedule": "step", "milestones": (0.5,)}, 0.9),
    "optimizer_options": ({"optimizer": "adamw"}, {"betas": (0.5, 0.999)}),
}
"""Knobs that play a part with others only: which, and another value."""
ON_GPUS = {"sync_batchnorm"}
"""Knobs that play a part on several GPUs alone: tests/lightning_bam/training/test_ranks.py."""


def test_every_knob_of_the_recipe_is_changed():
    assert set(CHANGED) | set(OTHERWISE) | ON_GPUS == {f.name for f in fields(Recipe)}


@pytest.mark.parametrize("name", sorted({*CHANGED, *OTHERWISE}))
def test_no_knob_of_the_recipe_is_dead(reference, tmp_path, name):
    if name in OTHERWISE:
        others, value = OTHERWISE[name]
        base = replace(RECIPE, **others)
        start = trained(tmp_path, replace(RUN, recipe=base))[0].metrics()
        changed = replace(base, **{name: value})
    else:
        start = reference[0].metrics()
        changed = replace(RECIPE, **{name: CHANGED[name]})
    other = trained(tmp_path, replace(RUN, recipe=changed))[0].metrics()
    assert [line["loss"] for line in other] != [line["loss"] for line in start]


OTHER_FIELDS = {
    "dataset": {"dataset": ClutteredDigits(size=20, train=200, test=100)},
    "backbone": {"backbone": SmallResNet(width=4)},
    "attention": {"attention": BAMSpec(reduction=3)},
    "placement": {"attention": BAMSpec(reduction=3), "placement": EveryBlock()},
    "recipe": {"recipe": replace(RECIPE, lr=0.06)},
    "seed": {"seed": 12},
    "score_on": {"score_on": "held_out"},
}


def test_every_field_is_changed_below():
    assert {*OTHER_FIELDS, "task"} == {f.name for f in fields(Run)}, "another task is a class of the user's own"


@pytest.mark.parametrize("change", OTHER_FIELDS.values(), ids=OTHER_FIELDS)
def test_no_field_of_the_run_is_dead(reference, tmp_path, change):
    folder, _ = trained(tmp_path, replace(RUN, **change))
    assert [line["loss"] for line in folder.metrics()] != [line["loss"] for line in reference[0].metrics()]
    if "placement" in change:
        default, _ = trained(tmp_path, replace(RUN, attention=change["attention"]))
        assert [line["loss"] for line in folder.metrics()] != [line["loss"] for line in default.metrics()]


def test_a_lost_loss_is_named(tmp_path):
    run = replace(RUN, recipe=replace(RECIPE, lr=1e30))
    with pytest.raises(TrainingError, match=r"training loss is nan after epoch 0; lower recipe.lr=1e\+30 or raise"):
        trained(tmp_path, run)
    assert 2 < RunFolder.of(tmp_path, run).manifest().first_loss < 3, "lost after the first step"


@pytest.mark.parametrize(
    ("warmup", "said"),
    [(0.5, r"lower recipe.lr=1e\+30 or raise recipe.warmup_epochs=0.5$"), (RECIPE.epochs, r"lower recipe.lr=1e\+30$")],
)
def test_a_warmup_that_is_there_is_to_be_raised_where_it_can_be(tmp_path, warmup, said):
    with pytest.raises(TrainingError, match=said):
        trained(tmp_path, replace(RUN, recipe=replace(RECIPE, lr=1e30, warmup_epochs=warmup)))


@pytest.mark.parametrize(
    ("recipe", "world", "message"),
    [
        (replace(RECIPE, batch_size=2), 2, "one training sample per device"),
        (replace(RECIPE, batch_size=97), 2, "recipe.batch_size=97"),
        (replace(RECIPE, batch_size=1298), 1, "recipe.batch_size=1298"),
        (replace(RECIPE, crop_padding=8), 1, "recipe.crop_padding=8"),
        (replace(RECIPE, optimizer="adam2"), 1, "recipe.optimizer=adam2: .*did you mean 'adam'"),
        (replace(RECIPE, optimizer_options={"beta": 1}), 1, "recipe.optimizer_options.beta=1: SGD has no such option"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_is_written(tmp_path, monkeypatch, recipe, world, message):
    monkeypatch.setenv("WORLD_SIZE", str(world))
    run = replace(RUN, recipe=recipe)
    folder = RunFolder.of(tmp_path, run)
    folder.describe(run)
    with pytest.raises(ConfigError, match=message):
        train(folder)
    assert [path.name for path in folder.path.iterdir()] == ["run.json"]


def test_going_on_from_a_checkpoint_is_bit_equal(reference, tmp_path):
    """Stop after the first of two epochs (a full disk, as it happens), then go on."""
    folder = RunFolder.of(tmp_path, RUN)
    folder.describe(RUN)
    append = RunFolder.append_epoch
    calls = []

    def second_fails(self, line):
        calls.append(line["epoch"])
        if line["epoch"] == 1:
            raise OSError(28, "No space left on device")
        append(self, line)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "append_epoch", second_fails)
        with pytest.raises(OSError, match="No space left"):
            train(folder)
    assert calls == [0, 1]
    assert (len(folder.metrics()), folder.result()) == (1, None)
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 1, "train_l')  # and torn on top of it
    result = train(folder)
    assert result.error_top1 == reference[1].error_top1
    assert [line["train_loss"] for line in folder.metrics()] == [line["train_loss"] for line in reference[0].metrics()]
    ours, theirs = (torch.load(f.checkpoint, weights_only=True)["state_dict"] for f in (folder, reference[0]))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert folder.manifest().attempt == 2
    assert [(a.attempt, a.from_epoch) for a in folder.manifest().attempts] == [(1, 0), (2, 1)]


def test_a_record_that_lacks_epochs_of_its_checkpoint_is_begun_anew(tmp_path, capfd):
    folder, result = trained(tmp_path, RUN)
    (folder.path / "result.json").unlink()
    folder.keep_epochs(1)
    assert train(folder).error_top1 == result.error_top1
    said = "damaged (it knows of 2 epochs, the record of 1); the run begins anew"
    assert f"{folder.checkpoint}: {said}" in capfd.readouterr().err


def test_other_images_than_the_checkpoints_are_refused(tmp_path):
    folder, _ = trained(tmp_path, RUN)
    folder.note(data="0" * 16)
    with pytest.raises(
        FolderError, match=r"its checkpoint was trained on images 0{16}, now they are [0-9a-f]{16}; restore"
    ):
        train(folder)


def test_a_checkpoint_is_whole_or_the_old_one(tmp_path):
    """Killed for real in the middle of writing: the old checkpoint stays, and the next save clears the remains."""
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)
    code = (
        "import os, sys, torch\n"
        "from lightning_bam.training.checkpoint import AtomicCheckpointIO\n"
        "class Bomb:\n"
        "    def __reduce__(self):\n"
        "        os.kill(os.getpid(), 9)\n"
        "AtomicCheckpointIO().save_checkpoint({'epoch': 2, 'bomb': Bomb()}, sys.argv[1])\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == -9
    assert torch.load(path) == {"epoch": 1}
    assert len(list(tmp_path.iterdir())) == 2, "a half-written one lies beside it"
    AtomicCheckpointIO().save_checkpoint({"epoch": 3}, path)
    assert torch.load(path) == {"epoch": 3}
    assert list(tmp_path.iterdir()) == [path]


def test_a_logger_is_told_every_epoch(tmp_path):
    from pytorch_lightning.loggers import CSVLogger

    folder = RunFolder.of(tmp_path, RUN)
    folder.describe(RUN)
    logger = CSVLogger(tmp_path / "csv", flush_logs_every_n_steps=1)
    train(folder, logger=logger)
    written = (tmp_path / "csv").rglob("metrics.csv")
    rows = next(written).read_text().splitlines()
    assert len(rows) == 3
    assert "error_top1" in rows[0]
    assert json.loads((folder.path / "result.json").read_text())["epochs"] == 2


class Hears(DummyLogger):
    """Keeps what it is told of each epoch."""

    def __init__(self):
        super().__init__()
        self.told = []

    def log_metrics(self, metrics, step):
        self.told.append((step, metrics))


def test_a_logger_is_told_every_number_of_a_line_and_of_those_before_a_resume(tmp_path):
    run = replace(RUN, attention=BAMSpec(reduction=3))
    folder = RunFolder.of(tmp_path, run)
    folder.describe(run)
    assert train(folder, logger=AsksAfterTheFirstEpoch(folder)) is None
    second = Hears()
    train(folder, logger=second)
    assert [step for step, _ in second.told] == [0, 1]
    for (_, told), line in zip(second.told, folder.metrics(), strict=True):
        gates = {f"gates/{place}/{name}": gate[name] for place, gate in line.pop("gates").items() for name in gate}
        assert told == line | gates
        assert len(gates) == 4
        assert all(type(value) is float for value in told.values())


class AsksAfterTheFirstEpoch(DummyLogger):
    """Whoever watches the epochs come in, and asks for an end."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def log_metrics(self, metrics, step):
        if metrics["epoch"] == 0:
            self.folder.request_stop("worse than the others")


def test_a_run_that_is_asked_to_stop_is_pruned_and_can_be_gone_on_with(tmp_path):
    run = replace(RUN, recipe=replace(RECIPE, epochs=3))
    whole, _ = trained(tmp_path / "whole", run)
    folder = RunFolder.of(tmp_path, run)
    folder.describe(run)
    folder.request_stop("asked before it began, which is forgotten")
    assert train(folder, logger=AsksAfterTheFirstEpoch(folder)) is None
    assert (folder.state(), folder.result(), len(folder.metrics())) == ("pruned", None, 1)
    assert torch.load(folder.checkpoint, weights_only=True)["epoch"] == 0
    assert folder.stop_reason() is None
    assert train(folder) is not None
    assert folder.state() == "complete"
    assert [line["loss"] for line in folder.metrics()] == [line["loss"] for line in whole.metrics()]


def test_a_request_in_the_last_epoch_comes_too_late(tmp_path):
    run = replace(RUN, recipe=replace(RECIPE, epochs=1))
    folder = RunFolder.of(tmp_path, run)
    folder.describe(run)
    assert train(folder, logger=AsksAfterTheFirstEpoch(folder)) is not None
    assert folder.state() == "complete"


def test_an_mpi_that_does_not_start_is_not_asked(tmp_path):
    """Lightning would ask mpi4py for the world, and an MPI that cannot start ends the process."""
    (tmp_path / "mpi4py-4.0.0.dist-info").mkdir()
    (tmp_path / "mpi4py-4.0.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mpi4py\nVersion: 4.0.0\n"
    )
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").touch()
    (tmp_path / "mpi4py" / "MPI.py").write_text("import os\nos._exit(66)\n")
    run = replace(RUN, recipe=replace(RECIPE, epochs=1))
    folder = RunFolder.of(tmp_path, run)
    folder.describe(run)
    script = "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path; "
    script += "from lightning_bam import RunFolder, train; train(RunFolder(Path(sys.argv[1])))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(folder.path), str(tmp_path)], check=False)
    assert (done.returncode, folder.state()) == (0, "complete")
