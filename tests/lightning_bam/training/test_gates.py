"""The gates of an epoch: worked by hand, of the weights that are scored, and nothing else changed by looking."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch import nn

from lightning_bam.attention import BAM, SimAM
from lightning_bam.config import BAMSpec, ClutteredDigits, GlobalContextSpec, Recipe, Run, SmallResNet
from lightning_bam.data import ImageData, normalise
from lightning_bam.inspection.saturation import saturation
from lightning_bam.network import build
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import TIMES, epoch_of
from lightning_bam.signals import Interruption, Signals
from lightning_bam.training.averaging import AVERAGING
from lightning_bam.training.gates import GateWatch
from tests.lightning_bam.training.here import Stop, trained_here

RUN = Run(
    dataset=ClutteredDigits(size=20, train=96, test=1100),
    backbone=SmallResNet(width=4),
    attention=BAMSpec(reduction=2, dilation=1),
    recipe=Recipe(epochs=2, batch_size=32, lr=0.05, crop_padding=1),
    seed=3,
)
"""3 steps an epoch; 3 batches are scored."""


def seen(network, images):
    """Return what is seen of a network's gates while it scores."""
    watch = GateWatch()
    watch.begin(network.eval())
    with torch.inference_mode():
        network(images)
    return watch.end()


class Net(nn.Module):
    """One layer, and an attention module behind it."""

    def __init__(self, attention):
        super().__init__()
        self.layer = nn.Module()
        self.layer.attention = attention

    def forward(self, x):
        return self.layer.attention(x)


def test_a_gate_whose_maps_begin_at_zero_is_one_half():
    network = build(replace(RUN, attention=BAMSpec(reduction=2, init="zero")))
    half = {"mean": 0.5, "saturated": 0.0}
    assert seen(network, torch.randn(3, 3, 20, 20)) == {"layer1": half, "layer2": half}


def test_a_gate_of_known_values():
    """Channels of 0.04, 0.05, 0.5 and 0.97, whatever the image."""
    module = BAM(4, reduction=2, branches="channel", init="zero")
    with torch.no_grad():
        module.channel.norm_out.bias.copy_(torch.tensor([0.04, 0.0500001, 0.5, 0.97]).logit())
    assert seen(Net(module), torch.randn(2, 4, 5, 3)) == {"layer": {"mean": 0.39, "saturated": 0.5}}


def test_it_looks_at_64_images_of_the_first_batch_alone():
    """The gate of SimAM is sigmoid(1/2) where an image is constant, and more elsewhere."""
    network, images = Net(SimAM(1)), torch.ones(66, 1, 2, 2)
    images[64:, :, 0] = 5.0
    watch = GateWatch()
    watch.begin(network)
    network(images)
    network(images[64:])
    assert watch.end() == {"layer": {"mean": round(1 / (1 + math.exp(-0.5)), 6), "saturated": 0.0}}
    network(images)
    assert watch.end() == {}, "nobody looks any more"


@pytest.mark.parametrize("attention", [None, GlobalContextSpec(reduction=2)], ids=["none", "one_that_adds"])
def test_a_network_without_a_gate_has_no_figures(tmp_path, attention):
    run = replace(RUN, attention=attention, recipe=replace(RUN.recipe, epochs=1))
    (line,) = trained_here(tmp_path, run).metrics()
    assert "gates" not in line
    assert "memory_gib" not in line, "a CPU's memory says nothing of the network"


def scored_gates(run, state):
    """Return the gates of these weights over the first 64 scored images, as `bam inspect` counts them."""
    network, images = build(run), ImageData(run).images
    network.load_state_dict({name.removeprefix("network."): value for name, value in state.items()})
    counted = saturation(network, normalise(images.test[:64], images.mean, images.std), batch_statistics=False)
    numbers = {name: one.numbers() for name, one in counted.items()}
    return {name: {"mean": one["mean"], "saturated": one["saturated"]} for name, one in numbers.items()}


def close(gates):
    return {name: pytest.approx(gate, abs=2e-6) for name, gate in gates.items()}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return trained_here(tmp_path_factory.mktemp("unbroken"), RUN)


def test_an_epochs_line_has_the_gates_of_its_weights(unbroken):
    first, last = (line["gates"] for line in unbroken.metrics())
    state = torch.load(unbroken.checkpoint, weights_only=True)["state_dict"]
    assert list(last) == ["layer1", "layer2"]
    assert last == close(scored_gates(RUN, state))
    assert first != last


def test_of_averaged_weights_it_has_those_of_the_average(tmp_path):
    run = replace(RUN, recipe=replace(RUN.recipe, ema=0.75))
    folder = trained_here(tmp_path, run)
    held = torch.load(folder.checkpoint, weights_only=True)
    average, trained = (scored_gates(run, state) for state in (held["state_dict"], held[AVERAGING]["trained"]))
    assert folder.metrics()[-1]["gates"] == close(average) != close(trained)


@pytest.mark.parametrize(("where", "count"), [("step", 2), ("scored batch", 1), ("scored batch", 2), ("step", 3)])
def test_a_run_that_resumes_has_the_same_gates_and_no_pace_of_a_part(unbroken, tmp_path, where, count):
    signals = Signals()
    with pytest.raises(Interruption):
        trained_here(tmp_path, RUN, Stop(signals, where, count), signals=signals)
    ours, theirs = trained_here(tmp_path, RUN).metrics(), unbroken.metrics()
    assert [line["gates"] for line in ours] == [line["gates"] for line in theirs]
    assert ["images_per_s" in line for line in ours] == [False, True]
    assert ours[1]["images_per_s"] == round(96 / ours[1]["train_seconds"], 3)


class Wild(nn.Module):
    """A gate that draws random numbers, changes what it is given, counts its calls and calls its module."""

    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(channels, 1, 1))
        self.register_buffer("calls", torch.zeros(()))
        self.kept = None

    def forward(self, x):
        self.kept = torch.sigmoid(self.scale * x)  # of a step, with its graph
        noise = torch.rand(()) if self.calls else 1.0
        return x * self.kept * noise

    def gate(self, x):
        with torch.no_grad():
            self.scale += 1
        self.calls += 1
        self(x)
        torch.manual_seed(7)
        return x.sigmoid_()


def test_whatever_a_gate_does_the_pass_is_as_without_it(capsys):
    network, images = Net(Wild(3)), torch.randn(2, 3, 4, 4)
    network(images).sum().backward()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    plain, expected = network(images.clone()), images.sigmoid().mean().item()
    before, stream = images.clone(), torch.get_rng_state()
    watch = GateWatch()
    watch.begin(network)
    assert torch.equal(network(images), plain)
    assert watch.end()["layer"]["mean"] == pytest.approx(expected, abs=1e-6)
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), stream)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("ema", [None, 0.75])
def test_a_run_is_bit_for_bit_the_one_that_nobody_looks_at(tmp_path, monkeypatch, ema):
    run = replace(RUN, recipe=replace(RUN.recipe, ema=ema))
    seen = trained_here(tmp_path / "seen", run)
    monkeypatch.setattr(GateWatch, "begin", lambda *_: None)
    plain = trained_here(tmp_path / "plain", run)
    lines = [
        [{name: value for name, value in line.items() if name not in TIMES} for line in folder.metrics()]
        for folder in (seen, plain)
    ]
    assert all(line.pop("gates") for line in lines[0])
    assert lines[0] == lines[1]
    ours, theirs = (torch.load(folder.checkpoint, weights_only=True)["state_dict"] for folder in (seen, plain))
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


class Own(nn.Module):
    """An attention module whose gate is what `function` says."""

    def __init__(self, function):
        super().__init__()
        self.gate = function

    def forward(self, x):
        return 2 * x


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda x: x, "its values are from -1 to 0.5, not from 0 to 1"),
        (lambda x: x.abs() + 0.25, "its values are from 0.75 to 1.25, not from 0 to 1"),
        (lambda x: x / 0, "its values are from -inf to inf, not from 0 to 1"),
        (lambda x: x * math.nan, "its values are from nan to nan, not from 0 to 1"),
        (lambda x: 0.5, "AttributeError: 'float' object has no attribute 'double'"),
    ],
    ids=["raises", "negative", "above_one", "infinite", "nan", "number"],
)
def test_a_gate_that_is_none_is_left_out_and_said_once(capsys, function, reason):
    network, x = nn.Sequential(Net(Own(function)), Net(Own(torch.sigmoid))), torch.tensor([-1.0, 0.5]).view(2, 1, 1, 1)
    watch = GateWatch()
    for _ in range(3):
        watch.begin(network)
        assert torch.equal(network(x), 4 * x)
        assert list(watch.end()) == ["1.layer"]
    assert capsys.readouterr().out == f"no figures of the gate at '0.layer': {reason}\n"


def test_no_more_places_are_written_than_are_read(capsys):
    network = nn.Sequential(OrderedDict({name: SimAM(1) for name in ("a/b", *map(str, range(258)))}))
    gates = seen(network, torch.randn(1, 1, 2, 2))
    assert list(gates) == [str(number) for number in range(256)]
    epoch_of({"epoch": 0, "gates": gates}, "here", 1)
    assert capsys.readouterr().out == (
        "no figures of the gate at 'a/b', '256', '257': an epoch's line takes 256 names, of 1 to 100 of "
        "[A-Za-z0-9_.-]{1,100}\n"
    )


def test_a_run_whose_gate_fails_is_trained_to_its_end(tmp_path, monkeypatch, capfd):
    def fail(self, x):
        raise RuntimeError("no memory")

    monkeypatch.setattr(BAM, "gate", fail)
    monkeypatch.setattr(BAM, "forward", lambda self, x: x + x * torch.sigmoid(self.logits(x)))
    lines = trained_here(tmp_path, RUN).metrics()
    assert not any("gates" in line for line in lines)
    assert RunFolder.of(tmp_path, RUN).state() == "complete"
    said = [line for line in capfd.readouterr().out.splitlines() if not line.startswith("epoch ")]
    assert said == ["no figures of the gate at 'layer1', 'layer2': RuntimeError: no memory"]
