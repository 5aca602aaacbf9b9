"""A run that is killed or told to leave, at any moment and as often as you like, ends as the unbroken one, bit for bit.

On one kind of processor, in float32, with one thread a rank.
"""

from __future__ import annotations

import random
import signal
import time

import pytest

from lightning_bam.config import ClutteredDigits, Recipe, Run, SESpec, SqueezeNet
from tests.training.groups import RUN, Group, described, figures, pause, same_weights, trained

DROPOUT = Run(
    dataset=ClutteredDigits(size=20, train=112, test=40),
    backbone=SqueezeNet(),
    attention=SESpec(reduction=16),
    recipe=Recipe(epochs=4, batch_size=16, lr=0.02, schedule="cosine", crop_padding=1, flip=False),
    seed=5,
)
"""7 batches an epoch; dropout in front of the classifier."""


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
    [(RUN, 1), (RUN, 2), (DROPOUT, 1), (DROPOUT, 2)],
    ids=["batch norm", "batch norm, 2 ranks", "dropout", "dropout, 2 ranks"],
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
        assert folder.state() == "lost"
    result = trained(folder, ranks).result()
    attempts = folder.manifest()["attempts"]
    print([(attempt["attempt"], attempt.get("from_epoch"), attempt.get("from_batch", 0)) for attempt in attempts])
    assert figures(folder) == figures(unbroken)
    assert same_weights(folder, unbroken)
    assert result.error_top1 == unbroken.result().error_top1
    assert folder.manifest()["first_batch"] == unbroken.manifest()["first_batch"]
