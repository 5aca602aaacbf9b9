"""Runs on a GPU: to the CPU's figures, the same each time, interrupted or not, and on ranks that normalise in step."""

from __future__ import annotations

import signal
from dataclasses import replace
from functools import partial

import pytest

from lightning_bam.config import BAMSpec, ImageNet, Recipe, Run, SmallResNet
from studies.job.devices import Slot
from studies.workers.forkserver import forkserver
from studies.workers.launch import ask
from tests.lightning_bam.data.picture_folders import fake_imagenet
from tests.lightning_bam.training.groups import RUN, Group, described, figures, pause, same_weights, trained
from tests.lightning_bam.training.test_ranks import NORMED, ONE_STEP, PLAIN, RECIPE, difference
from tests.lightning_bam.training.test_ranks import figures as epochs
from tests.lightning_bam.training.test_ranks import trained as trained_exactly
from tests.lightning_bam.training.test_resume import ALL, BOXES, DROPOUT

GPU = (0,)
LIMIT = 300
"""Seconds; torchvision compiles its deterministic `roi_align`, a detector's, when that first runs."""
THREE_STEPS = replace(NORMED, dataset=replace(ONE_STEP, train=48), recipe=replace(RECIPE, epochs=2))
LONGER, DROPS = (replace(run, recipe=replace(run.recipe, epochs=12)) for run in (RUN, DROPOUT))
HALVES = replace(LONGER, recipe=replace(LONGER.recipe, precision="bf16"))
KNOBS = replace(ALL, recipe=replace(ALL.recipe, epochs=12))
STREAMED = Run(
    dataset=ImageNet(resolution=16),
    backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=2, batch_size=250, lr=0.05, nesterov=False, milestones=(0.5,), gamma=0.1),
    seed=5,
)


def test_a_gpu_comes_to_the_cpus_figures(tmp_path):
    """In 64 bits: order, crops, flips, batch norm and attention are the same; dropout draws on its device."""
    (cpu, ours), (gpu, theirs) = (trained_exactly(tmp_path, THREE_STEPS, slot) for slot in (Slot(1), Slot(1, GPU)))
    assert difference(ours, theirs) < 1e-9
    for one, other in zip(epochs(cpu), epochs(gpu), strict=True):
        assert one == pytest.approx(other, rel=1e-6)  # logits are scored in 32 bits
    assert cpu.manifest().first_batch == gpu.manifest().first_batch
    assert cpu.manifest().device == "cpu" != gpu.manifest().device
    assert gpu.manifest().cost.memory > 1000
    memory = [line["memory_gib"] for line in gpu.metrics()]
    assert memory == sorted(memory)
    assert memory[-1] == pytest.approx(gpu.manifest().cost.memory / 2**30, abs=1e-4)
    for one, other in zip(cpu.metrics(), gpu.metrics(), strict=True):
        assert one["gates"] == {place: pytest.approx(gate, abs=1e-5) for place, gate in other["gates"].items()}
    assert min(one.manifest().cost.latency for one in (cpu, gpu)) > 0


@pytest.mark.parametrize(
    "run", [LONGER, DROPS, HALVES, BOXES, KNOBS], ids=["batch norm", "dropout", "bf16", "detector", "all knobs"]
)
def test_a_run_that_is_killed_and_told_to_leave_ends_as_the_unbroken_one_bit_for_bit(tmp_path, run):
    unbroken, again = (trained(described(tmp_path / name, run), gpus=GPU, limit=LIMIT) for name in ("one", "again"))
    assert figures(unbroken) == figures(again)
    assert same_weights(unbroken, again)
    folder = described(tmp_path / "interrupted", run)
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 128 + signal.SIGTERM)):
        group = Group(folder, gpus=GPU)
        assert group.wait_for(partial(has, folder, len(folder.metrics()) + 1), limit=LIMIT)
        group.tell(number)
        assert group.code(LIMIT) == code
        assert folder.state() == "interrupted"
    interrupted = trained(folder, gpus=GPU, limit=LIMIT)
    first, second, third = ((a.from_epoch, a.from_batch or 0) for a in folder.manifest().attempts)
    assert first == (0, 0) < second < third
    assert figures(interrupted) == figures(unbroken)
    assert same_weights(interrupted, unbroken)


def has(folder, count):
    """Say whether so many epochs are behind a run, and a checkpoint of one."""
    pause()
    return folder.checkpoint.exists() and len(folder.metrics()) >= count


def test_images_that_worker_processes_decode_reach_the_gpu_in_order(tmp_path):
    fake_imagenet(tmp_path)
    found = []
    for workers in ("0", "2"):
        folder = described(tmp_path / workers, STREAMED)
        surroundings = {"BAM_DATA": str(tmp_path), "BAM_WORKERS": workers}
        ask(
            forkserver(),
            "tests.lightning_bam.training.rank_bodies",
            "surrounded",
            (folder.path, Slot(1, GPU), surroundings),
        )
        found.append(folder)
    assert figures(found[0]) == figures(found[1])
    assert same_weights(*found)


@pytest.mark.parametrize("run", [PLAIN, NORMED, THREE_STEPS], ids=["plain", "normed", "three steps"])
def test_two_ranks_take_the_steps_of_one(tmp_path, run):
    """Batch norm in step between them; NCCL, over sockets, since both share a GPU."""
    _, alone = trained_exactly(tmp_path, run, Slot(1, GPU))
    folder, together = trained_exactly(tmp_path, run, Slot(2, GPU), body="sharing")
    assert folder.manifest().world_size == 2
    assert difference(alone, together) < 1e-10


def test_two_ranks_normalise_apart_where_the_recipe_says_so(tmp_path):
    run = replace(NORMED, recipe=replace(RECIPE, sync_batchnorm=False))
    _, alone = trained_exactly(tmp_path, run, Slot(1, GPU))
    _, together = trained_exactly(tmp_path, run, Slot(2, GPU), body="sharing")
    assert difference(alone, together) > 1e-3


def test_no_memory_is_a_named_cause(tmp_path):
    folder = described(tmp_path, replace(RUN, backbone=SmallResNet(width=64)))
    with pytest.raises(RuntimeError, match=r"\(code 1\)$"):
        ask(forkserver(), "tests.lightning_bam.training.rank_bodies", "cramped", (folder.path, Slot(1, GPU)))
    manifest = folder.manifest()
    assert (folder.state(), manifest.cause) == ("failed", "memory")
    assert manifest.error.startswith("out of memory (OutOfMemoryError: ")
    assert "recipe.batch_size is the global batch: more --devices-per-run" in manifest.error


def test_a_loss_that_is_no_number_is_a_named_cause(tmp_path):
    folder = described(tmp_path, replace(RUN, recipe=replace(RUN.recipe, lr=1e30), attention=BAMSpec(reduction=3)))
    assert Group(folder, gpus=GPU).code() == 1
    assert (folder.state(), folder.manifest().cause) == ("failed", "nan")
