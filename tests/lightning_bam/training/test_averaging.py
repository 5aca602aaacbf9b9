"""The average of the weights: by hand, scored and kept in their stead, and whole in a checkpoint at any moment."""

from dataclasses import replace

import pytest
import torch
from pytorch_lightning import Callback
from torch import nn

from lightning_bam import ClutteredDigits, Recipe, Run, RunFolder, SmallResNet, build
from lightning_bam.data import ImageData, normalise
from lightning_bam.signals import Interruption, Signals
from lightning_bam.training.averaging import AVERAGING, average_of
from tests.lightning_bam.training.here import Stop, trained_here

RUN = Run(
    dataset=ClutteredDigits(size=20, train=96, test=1100),
    backbone=SmallResNet(width=3),
    recipe=Recipe(epochs=2, batch_size=32, lr=0.05, crop_padding=1, ema=0.75),
    seed=3,
)
"""3 steps an epoch; 3 batches are scored."""


def test_an_average_by_hand():
    network = nn.BatchNorm1d(1, affine=True)
    average = average_of(network, 0.75)
    for weight, mean, expected in ((2.0, 8.0, (2.0, 8.0)), (6.0, 0.0, (3.0, 6.0)), (-1.0, 6.0, (2.0, 6.0))):
        with torch.no_grad():
            network.weight.fill_(weight)
            network.running_mean.fill_(mean)
            network.num_batches_tracked += 1
        average.update_parameters(network)
        averaged = average.module
        assert (averaged.weight.item(), averaged.running_mean.item()) == expected
        assert averaged.num_batches_tracked == network.num_batches_tracked, "a count is copied"


class Watch(Callback):
    """Keeps what each step makes of the weights."""

    def __init__(self):
        self.states = []

    def on_train_batch_end(self, trainer, pl_module, *_):
        self.states.append({name: value.clone() for name, value in pl_module.state_dict().items()})


def read(folder):
    return torch.load(folder.checkpoint, weights_only=True)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    watch = Watch()
    return trained_here(tmp_path_factory.mktemp("unbroken"), RUN, watch), watch.states


def test_what_is_scored_and_kept_is_the_average_of_the_weights_that_are_trained(unbroken):
    folder, states = unbroken
    expected = dict(states[0])
    for state in states[1:]:
        for name, value in state.items():
            expected[name] = 0.75 * expected[name] + 0.25 * value if value.is_floating_point() else value
    held = read(folder)
    assert len(states) == held[AVERAGING]["count"] == 6
    assert any("running_var" in name for name in expected)
    for name, value in expected.items():
        assert torch.allclose(held["state_dict"][name], value, rtol=1e-5, atol=1e-7), name
        assert torch.equal(held[AVERAGING]["trained"][name], states[-1][name]), name
    assert not torch.allclose(held["state_dict"]["network.fc.weight"], states[-1]["network.fc.weight"], rtol=1e-3)
    network, images = build(RUN), ImageData(RUN).images
    network.load_state_dict({name.removeprefix("network."): value for name, value in held["state_dict"].items()})
    with torch.no_grad():
        logits = network.eval()(normalise(images.test, images.mean, images.std))
    assert folder.result().correct_top1 == int((logits.argmax(1) == images.test_labels).sum())


def test_the_average_changes_nothing_of_what_is_trained(unbroken, tmp_path):
    plain = trained_here(tmp_path, replace(RUN, recipe=replace(RUN.recipe, ema=None)))
    trained_on = read(unbroken[0])[AVERAGING]["trained"]
    assert AVERAGING not in read(plain)
    assert all(torch.equal(value, trained_on[name]) for name, value in read(plain)["state_dict"].items())
    losses = [[line[name] for line in plain.metrics()] for name in ("train_loss", "loss")]
    ours = [[line[name] for line in unbroken[0].metrics()] for name in ("train_loss", "loss")]
    assert losses[0] == ours[0]
    assert losses[1] != ours[1]


@pytest.mark.parametrize(("where", "count"), [("step", 2), ("step", 5), ("scored batch", 2), ("scored batch", 4)])
def test_a_checkpoint_of_any_moment_goes_on_bit_for_bit(unbroken, tmp_path, where, count):
    """Also of one in which the module holds the average, to be scored."""
    signals = Signals()
    with pytest.raises(Interruption):
        trained_here(tmp_path, RUN, Stop(signals, where, count), signals=signals)
    states = unbroken[1]
    folder = RunFolder.of(tmp_path, RUN)
    steps = count if where == "step" else 3 * -(-count // 3)
    held = read(folder)
    assert held[AVERAGING]["count"] == held["global_step"] == steps
    assert all(torch.equal(held[AVERAGING]["trained"][name], value) for name, value in states[steps - 1].items())
    trained_here(tmp_path, RUN)
    ours, theirs = read(folder), read(unbroken[0])
    for part in (lambda one: one["state_dict"], lambda one: one[AVERAGING]["trained"]):
        assert all(torch.equal(part(ours)[name], value) for name, value in part(theirs).items())
    names = ("train_loss", "loss", "correct_top1")
    assert [[line[n] for n in names] for line in folder.metrics()] == [
        [line[n] for n in names] for line in unbroken[0].metrics()
    ]
