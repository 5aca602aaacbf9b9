"""A run that is killed or told to leave, at any moment and as often as you like, ends as the unbroken one, bit for bit.

On one kind of processor, in float32, with one thread a rank.
"""

from __future__ import annotations

import random
import re
import signal
import time

import pytest
import torch

from lightning_bam.config import (
    BAMSpec,
    ClutteredDigits,
    DigitScenes,
    FasterRCNN,
    Recipe,
    Run,
    SESpec,
    SmallResNet,
    SqueezeNet,
)
from lightning_bam.data import Batches
from lightning_bam.run_folder.files import FolderError
from lightning_bam.signals import Interruption, Signals
from lightning_bam.training.base_module import RunningLoss
from lightning_bam.training.checkpoint import AtomicCheckpointIO, damage
from studies.job.devices import Slot
from studies.workers.forkserver import forkserver
from studies.workers.launch import ask
from tests.lightning_bam.training.groups import RUN, Group, described, figures, longer, pause, same_weights, trained
from tests.lightning_bam.training.here import Stop, trained_here

DROPOUT = Run(
    dataset=ClutteredDigits(size=20, train=112, test=40),
    backbone=SqueezeNet(),
    attention=SESpec(reduction=16),
    recipe=Recipe(epochs=4, batch_size=16, lr=0.02, schedule="cosine", crop_padding=1, flip=False),
    seed=5,
)
"""7 batches an epoch; dropout in front of the classifier."""
BOXES = Run(
    dataset=DigitScenes(train=32, test=4, most=2),
    backbone=FasterRCNN(trunk=SmallResNet(width=4), pyramid=16, hidden=16, proposals=20),
    attention=BAMSpec(reduction=4),
    recipe=Recipe(epochs=3, batch_size=4, lr=0.01, nesterov=False, schedule="cosine"),
)
"""8 batches an epoch; which proposals the loss is taken over is drawn."""
SCORED = Run(
    dataset=ClutteredDigits(size=20, train=64, test=9000),
    backbone=SmallResNet(width=3),
    recipe=Recipe(epochs=2, batch_size=32, lr=0.02, crop_padding=0, flip=False),
)
"""2 batches an epoch, and 18 that are scored."""

KNOBS = {
    "optimizer": "adamw",
    "optimizer_options": {"betas": (0.9, 0.95), "amsgrad": True},
    "clip_grad_norm": 0.5,
    "ema": 0.8,
    "mixup": 0.3,
    "cutmix": 1.0,
}
"""All at once, each with a state or draws of its own."""
ALL = longer(RUN, lr=0.01, **KNOBS)
SMALL = Run(
    dataset=ClutteredDigits(size=20, train=96, test=20),
    backbone=SmallResNet(width=3),
    recipe=Recipe(epochs=2, batch_size=32, lr=0.01, crop_padding=1),
)
"""3 batches an epoch."""


def after(seconds):
    """Return what holds once so many seconds have passed."""
    moment = time.monotonic() + seconds
    return lambda: pause() or time.monotonic() > moment


def told(group, moment):
    """SIGTERM at a random moment: it leaves with a checkpoint."""
    group.wait_for(moment)
    group.tell(signal.SIGTERM)
    assert group.code(20) in (0, 128 + signal.SIGTERM)


def killed(group, moment):
    """kill -9 at a random moment."""
    group.wait_for(moment)
    group.tell(signal.SIGKILL)
    assert group.code(20) in (0, -signal.SIGKILL)


def killed_in_writing(group, moment):
    """kill -9 as soon as a checkpoint is being written."""
    group.wait_for(moment)
    checkpoints = group.folder.checkpoint.parent
    group.wait_for(lambda: any(checkpoints.glob(".last.ckpt.*")))
    group.tell(signal.SIGKILL)
    assert group.code(20) in (0, -signal.SIGKILL)


ENDS = [told, killed, told, killed_in_writing, told, killed]


@pytest.fixture(scope="module")
def seconds(tmp_path_factory):
    """How long an epoch of each run takes here, and its unbroken record."""
    found = {}

    def of(run, ranks):
        if (run, ranks) not in found:
            folder = trained(described(tmp_path_factory.mktemp("unbroken"), run), ranks)
            found[run, ranks] = folder, max(line["seconds"] for line in folder.metrics())
        return found[run, ranks]

    return of


@pytest.mark.parametrize(
    ("run", "ranks"),
    [(RUN, 1), (RUN, 2), (DROPOUT, 1), (DROPOUT, 2), (BOXES, 1), (ALL, 1), (ALL, 2)],
    ids=["batch norm", "batch norm, 2 ranks", "dropout", "dropout, 2 ranks", "detector", "all", "all, 2 ranks"],
)
def test_whatever_interrupts_a_run_it_ends_as_the_unbroken_one(seconds, tmp_path, run, ranks):
    unbroken, epoch = seconds(run, ranks)
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    folder = described(tmp_path, run)
    for end in ENDS:
        group = Group(folder, ranks)
        if not group.wait_until_training():
            break
        until = chance.uniform(0, epoch)
        end(group, after(until))
        if folder.state() == "complete":
            break
        assert folder.state() == "interrupted"
    result = trained(folder, ranks).result()
    attempts = folder.manifest().attempts
    print([(attempt.attempt, attempt.from_epoch, attempt.from_batch or 0) for attempt in attempts])
    assert figures(folder) == figures(unbroken)
    assert same_weights(folder, unbroken)
    assert result.error_top1 == unbroken.result().error_top1
    for first in ("first_batch", "first_loss"):
        assert getattr(folder.manifest(), first) == getattr(unbroken.manifest(), first)


OPTIMIZERS = ("adadelta", "adafactor", "adagrad", "adamax", "adamw", "asgd", "nadam", "radam", "rmsprop")
OTHERS = [
    *({"optimizer": name} for name in OPTIMIZERS),
    {"optimizer": "rprop", "weight_decay": 0},
    *({name: KNOBS[name]} for name in ("clip_grad_norm", "ema", "mixup", "cutmix")),
    {"ema": 0.8, "mixup": 0.3, "optimizer": "adam"},
]


@pytest.mark.parametrize("recipe", OTHERS, ids=str)
def test_a_run_of_any_recipe_that_ends_within_an_epoch_ends_as_the_unbroken_one(tmp_path, recipe):
    run = longer(SMALL, **recipe)
    unbroken = trained_here(tmp_path / "unbroken", run)
    signals = Signals()
    with pytest.raises(Interruption):
        trained_here(tmp_path, run, Stop(signals, "step", 5), signals=signals)
    folder = trained_here(tmp_path, run)
    assert [(a.from_epoch, a.from_batch or 0) for a in folder.manifest().attempts] == [(0, 0), (1, 2)]
    assert figures(folder) == figures(unbroken)
    assert same_weights(folder, unbroken)


def test_an_epoch_that_is_left_while_it_is_scored_is_scored_anew(seconds, tmp_path):
    unbroken, epoch = seconds(SCORED, 1)
    folder = described(tmp_path, SCORED)
    for share in (0.6, 0.4, 0.8):  # of an epoch, of which scoring is nearly all
        group = Group(folder)
        group.wait_until_training()
        group.wait_for(after(share * epoch))
        group.tell(signal.SIGUSR1)
        assert group.code(20) in (0, 128 + signal.SIGUSR1)
        if (saved := torch.load(folder.checkpoint, weights_only=True))["global_step"] == 2 * (saved["epoch"] + 1):
            break
    scoring = saved["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]["current"]
    assert scoring == {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    assert len(folder.metrics()) == saved["epoch"], "the epoch has no line yet"
    trained(folder)
    assert figures(folder) == figures(unbroken)
    assert same_weights(folder, unbroken)


@pytest.mark.parametrize("start", [0, 1, 4, 5])
def test_the_rest_of_an_epoch_is_what_is_left_of_the_whole(start):
    whole, rest = (
        list(Batches(n=53, batch_size=10, padding=2, seed=3, epoch=1, rank=1, world_size=2, crops=True, start=first))
        for first in (0, start)
    )
    assert len(whole) == 5
    assert len(rest) == 5 - start
    for one, other in zip(rest, whole[start:], strict=True):
        assert torch.equal(one.indices, other.indices)
        assert torch.equal(one.offsets, other.offsets)
        assert torch.equal(one.flips, other.flips)
        assert (one.crops == other.crops).all()


def test_a_running_loss_goes_on_on_as_many_ranks_or_on_others():
    cpu = torch.device("cpu")
    state = torch.tensor([[3.0, 2], [5.0, 2]], dtype=torch.float64)
    for rank, mean in ((0, 1.5), (1, 2.5)):
        running = RunningLoss()
        running.restore(state, rank, 2, cpu)
        assert torch.equal(running.state()[0], state[rank])
        assert running.mean() == mean
    alone = RunningLoss()
    alone.restore(state, 0, 1, cpu)
    assert alone.mean() == 2, "the mean over steps and ranks"


def emptied(file):
    file.write_bytes(b"")


def a_block_zeroed(file):
    """Right where weights are: torch reads them as they are."""
    with file.open("r+b") as written:
        written.seek(file.stat().st_size // 2)
        written.write(bytes(512))


@pytest.mark.parametrize(("spoil", "ranks"), [(emptied, 1), (a_block_zeroed, 1), (a_block_zeroed, 2)])
def test_a_run_does_not_go_on_from_a_damaged_checkpoint_but_begins_anew(tmp_path, spoil, ranks):
    """To the same figures; the record and the log say why."""
    folder = trained(described(tmp_path, RUN), ranks)
    before, weights = figures(folder), folder.checkpoint.read_bytes()
    (folder.path / "result.json").unlink()
    folder.note(state="interrupted")
    spoil(folder.checkpoint)
    assert figures(trained(folder, ranks)) == before
    (attempt,) = folder.manifest().effective
    assert (attempt.attempt, attempt.from_epoch) == (2, 0)
    assert [made.failed is not None for made in folder.manifest().attempts] == [False, False], "lost, and in the record"
    assert f"{folder.checkpoint}: damaged ({attempt.damaged}); the run begins anew" in folder.log.read_text()
    assert len(folder.checkpoint.read_bytes()) == len(weights)
    assert damage(folder.checkpoint) == ""
    assert damage(folder.checkpoint.with_suffix(".damaged")) != "", "kept for who wants to know"


def test_ranks_that_find_different_checkpoints_are_lost_and_train_nothing(tmp_path):
    """As where one node's disk shows it an older one; what is there stays for the next attempt."""
    folder = trained(described(tmp_path, RUN), 2)
    (folder.path / "result.json").unlink()
    before, weights = folder.lines(), folder.checkpoint.read_bytes()
    with pytest.raises(RuntimeError, match=r"ended without an answer \(code 75\)"):
        ask(forkserver(), "tests.lightning_bam.training.rank_bodies", "disagreeing", (folder.path, Slot(2)), limit=60)
    assert (folder.state(), folder.manifest().cause) == ("interrupted", "storage")
    assert (folder.lines(), folder.checkpoint.read_bytes()) == (before, weights)


def test_every_byte_of_every_weight_counts(tmp_path):
    """One bit that is not what was written is seen, and so is an end that is missing."""
    path = tmp_path / "last.ckpt"
    tensor = torch.arange(1000.0)
    AtomicCheckpointIO().save_checkpoint({"weights": tensor}, path)
    whole = path.read_bytes()
    start = whole.index(tensor.numpy().tobytes())
    chance = random.Random(0)
    for _ in range(200):
        place, bit = start + chance.randrange(4000), 1 << chance.randrange(8)
        spoilt = bytearray(whole)
        spoilt[place] ^= bit
        path.write_bytes(spoilt)
        assert re.fullmatch(r"its part .*data/0 is not what was written|Bad CRC-32.*", damage(path))
    path.write_bytes(whole)
    assert damage(path) == ""
    for length in range(0, len(whole), 97):
        for torn in (whole[:length], bytes(length)):
            path.write_bytes(torn)
            assert damage(path) != ""


def test_a_checkpoint_that_cannot_be_read_is_not_taken_for_damaged(tmp_path):
    """It may be whole, and hold a week's work."""
    path = tmp_path / "last.ckpt"
    assert damage(path) == ""
    path.mkdir()
    with pytest.raises(FolderError, match=r"last\.ckpt: is a folder, not a plain file"):
        damage(path)
