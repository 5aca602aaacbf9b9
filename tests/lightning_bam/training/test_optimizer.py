"""The learning rate and steps by hand, and what torch does not take."""

import math
import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from lightning_bam import ConfigError, Recipe, Run, RunFolder
from lightning_bam.training.check import check
from lightning_bam.training.checkpoint import LastCheckpoint
from lightning_bam.training.optimizer import configure, lr_factor, make_optimizer
from lightning_bam.training.trainer import quiet, trainer


def changes(recipe, steps):
    """Epochs at whose first step the factor is another than one step before, with the new factor."""
    factors = [lr_factor(recipe, step, steps) for step in range(recipe.epochs * steps)]
    return {step / steps: factors[step] for step in range(1, len(factors)) if factors[step] != factors[step - 1]}


@pytest.mark.parametrize("steps", [1, 7])
def test_the_public_recipe_changes_after_epochs_60_120_and_160(steps):
    assert lr_factor(Recipe(), 0, steps) == 1
    assert changes(Recipe(), steps) == {60: 0.2, 120: pytest.approx(0.04), 160: pytest.approx(0.008)}


def test_milestones_are_fractions_of_the_run():
    assert changes(Recipe(epochs=10, gamma=0.5), 3) == {3: 0.5, 6: 0.25, 8: 0.125}
    assert changes(Recipe(epochs=10, milestones=(0.5,), gamma=0.1), 3) == {5: 0.1}
    assert changes(Recipe(epochs=10, milestones=()), 3) == {}
    assert changes(Recipe(epochs=90, milestones=(1 / 3, 2 / 3), gamma=0.1), 2) == {30: 0.1, 60: pytest.approx(0.01)}


def test_no_milestone_comes_before_the_first_epoch_is_over():
    assert [lr_factor(Recipe(epochs=1, milestones=(0.3,)), step, 4) for step in range(4)] == [1, 1, 1, 1]
    assert changes(Recipe(epochs=4, milestones=(0.1,), gamma=0.5), 4) == {1: 0.5}


def test_cosine():
    recipe = Recipe(epochs=4, schedule="cosine")
    quarter = 0.5 * (1 + 0.5**0.5)
    expected = [1, quarter, 0.5, 1 - quarter, 0]
    assert [lr_factor(recipe, epoch * 5, 5) for epoch in range(5)] == pytest.approx(expected, abs=1e-15)


def test_constant():
    assert changes(Recipe(epochs=9, schedule="constant"), 2) == {}
    assert lr_factor(Recipe(schedule="constant"), 0, 2) == 1


@pytest.mark.parametrize("schedule", ["step", "cosine", "constant"])
def test_warm_up_rises_in_equal_steps_to_one(schedule):
    recipe = Recipe(epochs=10, schedule=schedule, warmup_epochs=1)
    factors = [lr_factor(recipe, step, 4) for step in range(5)]
    assert factors == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])


def test_cosine_after_a_warm_up_spans_what_is_left():
    recipe = Recipe(epochs=5, schedule="cosine", warmup_epochs=1)
    assert lr_factor(recipe, 3 * 4, 4) == pytest.approx(0.5)
    assert lr_factor(recipe, 5 * 4, 4) == pytest.approx(0, abs=1e-15)


def test_a_warm_up_of_half_an_epoch():
    recipe = Recipe(epochs=10, schedule="constant", warmup_epochs=0.5)
    assert [lr_factor(recipe, step, 4) for step in range(3)] == pytest.approx([1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("schedule", ["step", "cosine", "constant"])
def test_a_run_of_nothing_but_warm_up_has_an_end(schedule):
    # torch's scheduler asks for the factor once after the last step
    recipe = Recipe(epochs=1, schedule=schedule, warmup_epochs=1, milestones=(0.9,))
    assert lr_factor(recipe, 4, 4) in (1, 0.2)


@pytest.mark.parametrize("schedule", ["step", "cosine"])
def test_a_schedule_that_warms_up_to_its_end_is_the_constant_one(schedule):
    warming = Recipe(epochs=3, warmup_epochs=3.0, schedule=schedule, gamma=0.5)
    constant = Recipe(epochs=3, warmup_epochs=3.0, schedule="constant")
    assert [lr_factor(warming, step, 5) for step in range(15)] == [lr_factor(constant, step, 5) for step in range(15)]
    assert Run(recipe=warming).key == Run(recipe=constant).key
    shorter = replace(warming, warmup_epochs=2.0)
    assert Run(recipe=shorter).key != Run(recipe=replace(constant, warmup_epochs=2.0)).key


class Two(nn.Module):
    """Two parameters, a weight and a bias, whose gradients a test chooses."""

    def __init__(self, weight, bias, slope=(0.0, 0.0)):
        super().__init__()
        self.weight, self.bias = (nn.Parameter(torch.tensor([value])) for value in (weight, bias))
        self.slope = torch.tensor(slope)

    def forward(self):
        return (self.slope * torch.cat((self.weight, self.bias))).sum()


def test_the_first_step_of_adamw_by_hand():
    """Options and all: both moments are corrected to g and g * g, so the step is lr * g / (|g| + eps), whatever g."""
    recipe = Recipe(optimizer="adamw", lr=0.25, weight_decay=0.5, optimizer_options={"betas": (0.5, 0.75), "eps": 1})
    network = Two(2.0, -4.0, slope=(3.0, -1.0))
    optimizer = make_optimizer(network.parameters(), recipe)
    network().backward()
    optimizer.step()
    # decay apart from the gradient: w - 0.25 * 0.5 * w; then 0.25 * 3 / (3 + 1) and 0.25 * -1 / (1 + 1)
    assert network.weight.item() == pytest.approx(2 * 0.875 - 0.1875)
    assert network.bias.item() == pytest.approx(-4 * 0.875 + 0.125)
    # the second step has moments of its own: m = 0.5 * 1.5 + 0.5 * 1 of g = 3 and then g = 1, v = 0.75 * 2.25 + 0.25
    network.slope = torch.tensor((1.0, 1.0))
    before = network.weight.item()
    optimizer.zero_grad()
    network().backward()
    optimizer.step()
    moment, square = 1.25 / (1 - 0.25), 1.9375 / (1 - 0.5625)
    assert network.weight.item() == pytest.approx(before * 0.875 - 0.25 * moment / (math.sqrt(square) + 1))


def test_the_first_step_of_sgd_by_hand():
    network = Two(2.0, -4.0, slope=(3.0, -1.0))
    optimizer = make_optimizer(network.parameters(), Recipe(lr=0.25, weight_decay=0.5, momentum=0.5))
    network().backward()
    optimizer.step()
    # the decay is part of the gradient, 3 + 1 and -1 - 2, of which nesterov takes 1 + 0.5
    assert network.weight.item() == 2 - 0.25 * 1.5 * 4
    assert network.bias.item() == -4 + 0.25 * 1.5 * 3


class Clipped(pl.LightningModule):
    """Two parameters of gradient (3, -4), whose norm is 5, and SGD of lr 1."""

    def __init__(self):
        super().__init__()
        self.network = Two(0.0, 0.0, slope=(3.0, -4.0))

    def training_step(self, batch):
        return self.network() * batch.mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1)


@pytest.mark.parametrize(("most", "weight", "bias"), [(None, -3, 4), (10, -3, 4), (2.5, -1.5, 2), (1, -0.6, 0.8)])
def test_gradients_are_clipped_to_their_norm_together_by_hand(tmp_path, most, weight, bias):
    run = Run(recipe=Recipe(epochs=1, clip_grad_norm=most))
    module, folder = Clipped(), RunFolder.of(tmp_path, run)
    folder.describe(run)
    with warnings.catch_warnings():
        quiet()
        made = trainer(run, folder, "cpu", 1, [LastCheckpoint(folder.checkpoint)], None)
        made.fit(module, DataLoader([torch.ones(1)]))
    step = (module.network.weight.item(), module.network.bias.item())
    assert step == pytest.approx((weight, bias), rel=1e-5)  # torch adds 1e-6 to the norm


def test_another_optimizer_follows_the_recipe_s_schedule():
    module = Two(1.0, 1.0)
    module.trainer = SimpleNamespace(estimated_stepping_batches=12)
    made = configure(module, Recipe(optimizer="rmsprop", lr=0.5, epochs=4, schedule="cosine", warmup_epochs=1))
    rates = []
    for _ in range(4):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    assert rates == [0.125, 0.25, 0.375, 0.5]


def classes():
    base = torch.optim.Optimizer
    found = [one for one in vars(torch.optim).values() if isinstance(one, type) and issubclass(one, base)]
    return sorted(one.__name__ for one in found if one is not base)


@pytest.mark.parametrize("name", classes())
def test_each_optimizer_of_torch_makes_a_step_or_is_refused(name):
    network = nn.Conv2d(2, 3, 3)
    recipe = Recipe(optimizer=name, lr=0.01, weight_decay=0 if name == "Rprop" else 1e-4)
    if name in ("LBFGS", "SparseAdam", "Muon"):
        with pytest.raises(ConfigError, match=rf"^recipe.optimizer={name.lower()}: [^\n]{{20,120}}$"):
            make_optimizer(network.parameters(), recipe)
        return
    before = network.weight.clone()
    optimizer = make_optimizer(network.parameters(), recipe)
    assert type(optimizer) is getattr(torch.optim, name)
    network(torch.ones(1, 2, 5, 5)).sum().backward()
    optimizer.step()
    assert not torch.equal(network.weight, before)


REFUSED = [
    ({"optimizer": "adamww"}, "optimizer=adamww: torch.optim has no such optimizer; did you mean 'adamw'?"),
    (
        {"optimizer": "optimizer"},
        "optimizer=optimizer: torch.optim has no such optimizer; known: adadelta, adafactor, adagrad, adam, adamax, "
        "adamw, asgd, muon, nadam, radam, rmsprop, rprop, sgd",
    ),
    (
        {"optimizer": "lbfgs"},
        "optimizer=lbfgs: it evaluates a batch several times a step, and a batch here is drawn once; "
        "use another, as adamw",
    ),
    (
        {"optimizer": "sparseadam"},
        "optimizer=sparseadam: it takes sparse gradients, which no network here has; use another, as adamw",
    ),
    ({"optimizer": "rprop"}, "weight_decay=0.0005: Rprop decays no weights; set recipe.weight_decay=0"),
    ({"beta": 1}, "optimizer_options.beta=1: AdamW has no such option; did you mean 'betas'?"),
    ({"fused": True}, "optimizer_options.fused=True: AdamW has no such option; known: amsgrad, betas, eps"),
    ({"lr": 1}, "optimizer_options.lr=1: this is the recipe's own; set recipe.lr"),
    ({"betas": 0.9}, "optimizer_options.betas=0.9: give 2 numbers, as torch's own 0.9,0.999"),
    ({"betas": (1, 2, 3)}, "optimizer_options.betas=1,2,3: give 2 numbers, as torch's own 0.9,0.999"),
    ({"eps": "x"}, "optimizer_options.eps=x: give a number, as torch's own 1e-08"),
    ({"eps": True}, "optimizer_options.eps=True: give a number, as torch's own 1e-08"),
    ({"amsgrad": 1}, "optimizer_options.amsgrad=1: give true or false, as torch's own False"),
    ({"betas": (0.9, 1.5)}, "optimizer_options: AdamW: Invalid beta parameter at index 1: 1.5"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_torch_does_not_take_is_said_in_a_line(given, message):
    recipe = Recipe(**given) if "optimizer" in given else Recipe(optimizer="adamw", optimizer_options=given)
    with pytest.raises(ConfigError) as caught:
        check(Run(recipe=recipe))
    assert str(caught.value) == f"recipe.{message}"


def test_sgd_takes_dampening_and_its_momentum_from_the_recipe():
    recipe = Recipe(nesterov=False, optimizer_options={"dampening": 0.5})
    assert make_optimizer(Two(1.0, 1.0).parameters(), recipe).defaults["dampening"] == 0.5
    for option, message in (
        ({"momentum": 0.5}, r"optimizer_options.momentum=0.5: this is the recipe's own; set recipe.momentum"),
        ({"dampening": 0.5}, r"optimizer_options: SGD: Nesterov momentum requires a momentum and zero dampening"),
    ):
        with pytest.raises(ConfigError, match=rf"^recipe\.{message}$"):
            check(Run(recipe=Recipe(optimizer_options=option)))
