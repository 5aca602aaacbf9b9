"""A run on a stand-in for ImageNet, trained for real: to its end, interrupted, and on two ranks."""

import os
import socket
import subprocess
import sys

import pytest

from lightning_bam.config import ConfigError, ImageNet, Recipe, Run, SmallResNet
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.training.recorder import Recorder
from lightning_bam.training.train import train
from tests.lightning_bam.data.picture_folders import fake_imagenet

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")

RECIPE = Recipe(epochs=2, batch_size=250, lr=0.05, nesterov=False, milestones=(0.5,), gamma=0.1)
RUN = Run(dataset=ImageNet(resolution=16), backbone=SmallResNet(width=4), recipe=RECIPE, seed=5)
FIGURES = ("epoch", "train_loss", "loss", "error_top1", "error_top5", "correct_top1", "correct_top5", "scored", "lr")


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    fake_imagenet(root)
    return root


@pytest.fixture(autouse=True)
def here(data_root, monkeypatch):
    monkeypatch.setenv("BAM_DATA", str(data_root))
    monkeypatch.setenv("BAM_WORKERS", "1")


def described(root):
    folder = RunFolder.of(root, RUN)
    folder.describe(RUN)
    return folder


def figures(folder):
    return [[line[name] for name in FIGURES] for line in folder.metrics()]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, data_root):
    folder = described(tmp_path_factory.mktemp("runs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAM_DATA", str(data_root))
        patch.setenv("BAM_WORKERS", "2")
        train(folder)
    return folder


def test_a_run_is_trained_to_its_end(unbroken):
    result = unbroken.result()
    assert (unbroken.state(), result.epochs, result.scored) == ("complete", 2, 1000)
    assert [line["lr"] for line in unbroken.metrics()] == pytest.approx([0.05, 0.005])
    assert len(unbroken.manifest().first_batch) == 250


def test_an_interrupted_run_gives_the_same_bits_with_other_workers(unbroken, tmp_path, monkeypatch):
    folder = described(tmp_path)
    begin = Recorder.on_train_epoch_start

    def interrupted(self, trainer, module):
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt
        begin(self, trainer, module)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_epoch_start", interrupted)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            train(folder)
    assert len(folder.metrics()) == 1
    assert folder.checkpoint.exists()
    folder.note(data=folder.manifest().data.removeprefix("names+sizes:"))  # as older versions wrote it
    train(folder)
    assert figures(folder) == figures(unbroken)
    assert folder.manifest().attempts[1].from_epoch == 1
    assert folder.manifest().data == unbroken.manifest().data


def test_a_broken_image_ends_the_run_with_its_path(data_root, tmp_path):
    image = next((data_root / "imagenet" / "val" / "n00000700").iterdir())
    content = image.read_bytes()
    image.write_bytes(content[:200])
    try:
        with pytest.raises(ConfigError) as refusal:
            train(described(tmp_path))
    finally:
        image.write_bytes(content)
    assert str(refusal.value).startswith(f"cannot read the image {image}: ")
    assert "\n" not in str(refusal.value)


RANK = """
import sys
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.training.classifier import Classifier
from lightning_bam.training.train import train
end = Classifier.on_validation_epoch_end
def note(self):
    before = [*map(int, self.counts[:2]), int(self.scored)]
    end(self)
    print("COUNTED", before, [*map(int, self.counts[:2]), int(self.scored)], flush=True)
Classifier.on_validation_epoch_end = note
train(RunFolder(sys.argv[1]))
"""


def test_two_ranks_score_half_each_and_sum_it(unbroken, tmp_path):
    folder = described(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ranks = []
    for rank in ("0", "1"):
        place = {"RANK": rank, "LOCAL_RANK": rank, "NODE_RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        command = [sys.executable, "-c", RANK, str(folder.path)]
        ranks.append(subprocess.Popen(command, env=os.environ | place, stdout=subprocess.PIPE, text=True))
    told = [process.communicate(timeout=120)[0].splitlines() for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0]
    lines = [[line for line in out if line.startswith("COUNTED")] for out in told]
    assert [len(out) for out in lines] == [2, 2]
    for one, two in zip(*lines, strict=True):
        (mine, whole), (yours, same) = (
            [[int(n) for n in part.strip(" []").split(",")] for part in line[len("COUNTED") :].split("] [")]
            for line in (one, two)
        )
        assert (mine[2], yours[2], whole[2]) == (500, 500, 1000)
        assert whole == same == [a + b for a, b in zip(mine, yours, strict=True)]
    assert folder.result().scored == 1000
    assert folder.manifest().first_batch == unbroken.manifest().first_batch
