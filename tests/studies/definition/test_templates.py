"""What `bam new` writes computes what its comments say."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.user_code.load import execute, sources
from studies.definition import templates
from studies.job.devices import Slot
from studies.workers.forkserver import forkserver
from studies.workers.launch import ask
from tests.test_architecture import TO_EDIT

LABELS = [
    [0, 0, 1, 1, 2],
    [0, 0, 1, 1, 2],
    [0, 0, 0, 4, 2],
]
ANSWERS = [
    [0, 0, 1, 1, 1],
    [0, 2, 1, 1, 2],
    [0, 0, 0, 0, 2],
]
"""Paper: 6 of 7 found, one pixel more taken for it, 6/8. Digit 0 (class 1): all 4, one more, 4/5. Digit 1: 2 of 3, one
more, 2/4. Class 4: none of 1, 0/1. Class 3 is nowhere and does not count."""
MIOU = 100 * (6 / 8 + 4 / 5 + 2 / 4 + 0 / 1) / 4


@pytest.fixture
def names(tmp_path):
    """Return what a template, copied to where a user would have it, defines."""

    def run(part):
        (tmp_path / "mine.py").write_text((TO_EDIT / f"{part}.py").read_text())
        return execute(tmp_path / "mine.py")

    assert list(map(str, templates.__path__)) == [str(TO_EDIT)]
    return run


def logits(answers, classes=5):
    """Return outputs `(1, classes, 3, 5)` whose greatest is the answer."""
    return torch.nn.functional.one_hot(torch.tensor([answers]), classes).permute(0, 3, 1, 2) * 2.5 - 1


def slow_miou(labels, answers):
    """Return the mean over classes of |both| / |either|, in percent, of sets of pixels."""
    ratios = []
    for name in np.union1d(labels, answers):
        label = {tuple(at) for at in np.argwhere(labels == name)}
        answer = {tuple(at) for at in np.argwhere(answers == name)}
        ratios.append(len(label & answer) / len(label | answer))
    return 100 * sum(ratios) / len(ratios)


def test_mean_iou_is_that_of_a_hand_made_map(names):
    task = names("task")["Segmentation"]()
    counts = task.count(logits(ANSWERS), torch.tensor([LABELS]))
    assert counts.tolist() == [[6, 0, 1, 0, 0], [0, 4, 0, 0, 0], [0, 1, 2, 0, 0], [0] * 5, [1, 0, 0, 0, 0]]
    assert task.figures(counts.double()) == {"miou": pytest.approx(MIOU, rel=1e-15)}
    assert slow_miou(np.array(LABELS), np.array(ANSWERS)) == pytest.approx(MIOU, rel=1e-15)


def test_mean_iou_is_of_all_batches_together(names):
    """The mean of two batches' figures would be another number."""
    task, random = names("task")["Segmentation"](), np.random.default_rng(0)
    labels, answers = random.integers(0, 5, (2, 7, 3, 5))
    answers = np.where(random.random(labels.shape) < 0.5, labels, answers)
    counts = [
        task.count(torch.cat([logits(answer.tolist()) for answer in answers[part]]), torch.tensor(labels[part]))
        for part in (slice(0, 2), slice(2, 7))
    ]
    whole = slow_miou(labels, answers)
    assert task.figures((counts[0] + counts[1]).double())["miou"] == pytest.approx(whole, rel=1e-14)
    parts = [task.figures(count.double())["miou"] for count in counts]
    assert sum(parts) / 2 != pytest.approx(whole, rel=1e-3)


def test_two_ranks_give_the_figures_of_one(names, tmp_path):
    """In 64 bits, where the network has no batch norm; a test set of 500 that two ranks share."""
    row = names("task")["STUDY"].rows["none"]
    run = replace(row, recipe=replace(row.recipe, epochs=2))
    lines = []
    for ranks in (1, 2):
        folder = RunFolder.of(tmp_path / str(ranks), run)
        folder.describe(run)
        task = (folder.path, Slot(ranks), sources(run))
        ask(forkserver(), "tests.lightning_bam.training.rank_bodies", "exactly_own", task)
        lines.append([[line[name] for name in ("train_loss", "miou", "scored")] for line in folder.metrics()])
    assert [line[2] for line in lines[0]] == [500, 500]
    assert 5 < lines[0][1][1] < 30, "it has learnt to tell ink from paper"
    for one, two in zip(*lines, strict=True):
        assert one == pytest.approx(two, rel=1e-9)


def test_ink_has_the_label_of_its_digit(names):
    images, labels, test_images, test_labels = names("task")["Ink"]().load()
    assert (len(images), len(test_images)) == (1297, 500)
    digits = load_digits()
    for index, image, label in ((11, images[11, 0], labels[11]), (1300, test_images[3, 0], test_labels[3])):
        for y, x in np.ndindex(8, 8):
            grey = digits.images[index, y, x]
            assert image[y, x] == 15 * grey
            assert label[y, x] == (digits.target[index] + 1 if grey > 8 else 0)


def test_stripes_run_in_the_direction_of_their_class(names):
    images, labels, _, test_labels = names("dataset")["Stripes"](noise=0).load()
    assert torch.bincount(labels).tolist() == [200] * 4
    assert torch.bincount(test_labels).tolist() == [100] * 4
    same = {
        0: lambda image: (image[1:], image[:-1]),
        1: lambda image: (image[1:, :-1], image[:-1, 1:]),
        2: lambda image: (image[:, 1:], image[:, :-1]),
        3: lambda image: (image[1:, 1:], image[:-1, :-1]),
    }
    for image, label in zip(images[:8, 0].int(), labels[:8].tolist(), strict=True):
        alike = [name for name, sides in same.items() if (sides(image)[0] - sides(image)[1]).abs().max() <= 1]
        assert alike == [label]
    noisy, _, others, _ = names("dataset")["Stripes"]().load()
    assert 60 < (noisy.double() - images.double()).std() < 120, "120, as far as it is not clipped"
    assert not set(map(bytes, noisy.numpy())) & set(map(bytes, others.numpy())), "train and test"
    assert torch.equal(noisy, names("dataset")["Stripes"]().load()[0]), "the same in every run"


def test_a_gate_is_the_sigmoid_of_a_channels_mean_and_its_neighbours(names):
    gate = names("module")["MyGate"](kernel_size=3).build(5)
    with torch.no_grad():
        gate.conv.weight.copy_(torch.tensor([[[1.0, 2.0, -3.0]]]))
    x = torch.randn(2, 5, 3, 7)
    y = gate(x)
    for n, c in np.ndindex(2, 5):
        means = [float(x[n, k].mean()) if 0 <= k < 5 else 0.0 for k in (c - 1, c, c + 1)]
        factor = 1 / (1 + math.exp(-(means[0] + 2 * means[1] - 3 * means[2])))
        assert torch.allclose(y[n, c], factor * x[n, c], atol=1e-6)
