"""What is said of modules and networks that are wrong in the usual ways."""

from dataclasses import replace

import pytest

from lightning_bam import ConfigError, Digits, Recipe, Run, SmallResNet, count
from lightning_bam.config.spec import forget_own
from lightning_bam.training.own_check import check_own
from lightning_bam.training.tasks import data_of
from lightning_bam.user_code.load import execute

HEAD = """
import random
import torch
from torch import nn
from lightning_bam import AttentionSpec, BackboneSpec, spec

@spec
class MyGate(AttentionSpec):
    def build(self, channels):
        return Gate(channels)

class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.5))
        self.calls = 0
"""
FORWARD = "    def forward(self, x):\n        "
WRONG = {
    "return (self.scale * x)[:, :, 1:]": "forward gives (2, 4, 7, 8) for (2, 4, 8, 8), must be (2, 4, 8, 8)",
    "return [self.scale * x]": "forward gives list for (2, 4, 8, 8), must be (2, 4, 8, 8)",
    "return x.mul_(self.scale)": (
        "forward changes its input in place, which the layers before it need for their gradients"
    ),
    "return x * 2": "its parameter 'scale' gets no gradient: forward does not use it",
    "return x": "its parameter 'scale' gets no gradient: forward does not use it",
    "return x + 0 * self.scale": "has no effect: forward gives back its input",
    "return self.scale * x / 0": "forward gives what is no finite number for (2, 4, 8, 8) of ordinary size",
    "return self.scale * x * random.random()": (
        "forward draws random numbers that the run's seed does not decide; draw them from torch"
    ),
    "self.calls += 1; return self.scale * x / self.calls": (
        "keeps state outside its state_dict, which a checkpoint would not have; use register_buffer, or a parameter"
    ),
    "return self.scale * x @ x.new_ones(3)": (
        "forward failed on (2, 4, 8, 8): RuntimeError: size mismatch, got input (64), mat (64x8), vec (3)"
    ),
    "raise ValueError('two\\nlines')": "forward failed on (2, 4, 8, 8): ValueError: two lines",
    "return self.missing(x)": (
        "forward failed on (2, 4, 8, 8): AttributeError: 'Gate' object has no attribute 'missing'"
    ),
    "return (self.scale * x).detach()": (
        "no gradient comes back through it: RuntimeError: element 0 of tensors does not require grad and does not have "
        "a grad_fn"
    ),
}
SOUND = (
    "return self.scale * x",
    "return self.scale * nn.functional.dropout(x, 0.5, self.training)",
    "return x + (self.scale - 0.5) * x",  # it begins as the identity, and learns
)
BASE = Run(dataset=Digits(), backbone=SmallResNet(width=4), recipe=Recipe(epochs=1))


@pytest.fixture(autouse=True)
def forget():
    yield
    forget_own()


def gate(tmp_path, text, head=HEAD):
    file = tmp_path / "gate.py"
    file.write_text(head + text)
    return file, execute(file)["MyGate"]()


@pytest.mark.parametrize(("body", "problem"), WRONG.items(), ids=WRONG.keys())
def test_a_module_that_is_wrong_in_a_usual_way_is_named(tmp_path, body, problem):
    file, spec = gate(tmp_path, FORWARD + body)
    with pytest.raises(ConfigError) as refusal:
        check_own(replace(BASE, attention=spec))
    assert str(refusal.value) == f"attention=my_gate (MyGate in {file}): {problem}"


@pytest.mark.parametrize("body", SOUND)
def test_a_module_that_is_sound_passes(tmp_path, body):
    check_own(replace(BASE, attention=gate(tmp_path, FORWARD + body)[1]))


@pytest.mark.parametrize(
    ("build", "problem"),
    [
        ("return nn.Identity()", "has no effect: forward gives back its input"),
        ("return 3", "build(4) gave int, must be a torch.nn.Module"),
        ("raise KeyError('a')", "build(4) failed: KeyError: 'a'"),
        ("return nn.Conv2d(channels, 7, 1)", "forward gives (2, 7, 8, 8) for (2, 4, 8, 8), must be (2, 4, 8, 8)"),
        (
            "conv = nn.Conv2d(channels, channels, 1)\n"
            "        nn.init.constant_(conv.weight, random.random())\n        return conv",
            "is built with random numbers that the run's seed does not decide; draw them from torch",
        ),
    ],
)
def test_what_a_spec_builds_is_looked_at(tmp_path, build, problem):
    file, spec = gate(tmp_path, "", HEAD.replace("return Gate(channels)", build))
    with pytest.raises(ConfigError) as refusal:
        check_own(replace(BASE, attention=spec))
    assert f"attention=my_gate (MyGate in {file}): {problem}" in str(refusal.value)


def test_a_module_that_cannot_be_pickled_is_sound_unless_it_has_to_be_copied(tmp_path):
    """Runs are forked, and a checkpoint has its state_dict alone; averaged weights need a copy of the network."""
    head = HEAD.replace("self.calls = 0", "self.lock, self.hook = threading.Lock(), lambda x: x")
    file, spec = gate(
        tmp_path,
        FORWARD + "return self.hook(self.scale * x)",
        head.replace("import random", "import random, threading"),
    )
    run = replace(BASE, attention=spec)
    check_own(run)
    with pytest.raises(ConfigError) as refusal:
        check_own(replace(run, recipe=replace(run.recipe, ema=0.9)))
    line = "cannot be copied, as recipe.ema=0.9 does: TypeError: cannot pickle '_thread.lock' object"
    assert str(refusal.value) == f"attention=my_gate (MyGate in {file}): {line}"


def test_a_count_that_the_modules_forward_stops_is_one_line(tmp_path):
    _, spec = gate(tmp_path, FORWARD + "raise ValueError('two\\nlines')")
    with pytest.raises(ConfigError, match=r"the network fails with it: ValueError: two lines$"):
        count(replace(BASE, attention=spec))


NET = """
import torch
from torch import nn
from lightning_bam import BackboneSpec, spec

class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.one = nn.Conv2d(channels, 5, 3, padding=1)
        self.two = nn.Conv2d(5, 7, 3, 2, 1)
        self.unused = nn.Linear(2, 3)
        self.last = nn.Linear(7, classes)

    def forward(self, x):
        return self.last(self.two(self.one(x)).mean((2, 3)))

@spec
class MyNet(BackboneSpec):
    def build(self, channels, classes):
        return Net(channels, classes)
    def layers(self):
        return ["one", "two"]
"""


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("", "", "its parameter 'unused.weight' gets no gradient: forward does not use it"),
        ("Linear(7, classes)", "Linear(7, 6)", "forward gives (2, 6) for (2, 1, 8, 8), must be (2, 10)"),
    ],
)
def test_a_network_is_looked_at_too(tmp_path, before, after, problem):
    file = tmp_path / "net.py"
    file.write_text(NET.replace(before, after))
    run = replace(BASE, backbone=execute(file)["MyNet"]())
    with pytest.raises(ConfigError) as refusal:
        check_own(run)
    assert str(refusal.value) == f"backbone=my_net (MyNet in {file}): {problem}"


TASK = """
import torch.nn.functional as F
from lightning_bam import Metric, TaskSpec, spec

@spec
class MyTask(TaskSpec):
    metrics = (Metric(name="hits", label="hits (%)"),)

    def loss(self, outputs, targets):
        return F.cross_entropy(outputs, targets)

    def count(self, outputs, targets):
        return (outputs.argmax(1) == targets).sum()

    def figures(self, counts):
        return {"hits": float(counts), "NAME": 1.0}
"""


@pytest.mark.parametrize("name", ["gates", "images_per_s", "seconds", "misses"])
def test_a_figure_with_the_name_of_what_a_line_has_of_its_own_is_refused(tmp_path, name):
    file = tmp_path / "task.py"
    file.write_text(TASK.replace("NAME", name))
    run = replace(BASE, task=execute(file)["MyTask"]())
    if name == "misses":
        check_own(run, data_of(run))
        return
    with pytest.raises(ConfigError) as refusal:
        check_own(run, data_of(run))
    said = f"figures give {name}, which an epoch's line has of its own; give it another name"
    assert str(refusal.value) == f"task=my_task (MyTask in {file}): {said}"
