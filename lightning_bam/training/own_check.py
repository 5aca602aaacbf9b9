"""What is wrong with a network or an attention module of the user's own, found before the first step."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torchvision.ops import Permute

from lightning_bam.config import Classification, ConfigError, Run
from lightning_bam.data import ImageData
from lightning_bam.data.augment import normalise
from lightning_bam.data.run_data import RunData
from lightning_bam.network import build
from lightning_bam.random_streams import seeded
from lightning_bam.run_folder.manifest import TIMES
from lightning_bam.training.image_module import ImageModule
from lightning_bam.training.tasks import module_of
from lightning_bam.user_code.build import named, told

CPU: Final = torch.device("cpu")
IMAGES: Final = 2
"""Images in the batch that is tried, the fewest of which batch norm has a variance."""
NO_FIGURES: Final = {"epoch", "train_loss", "lr", "gates", *TIMES}
"""What an epoch's line holds beside a task's figures."""


def check_own(run: Run, data: RunData | None = None) -> None:
    """Train a run's network for one step of two random images, and look at what of it is the user's own.

    A task of the user's own is tried on the first images of `data`. ConfigError, in a line with the class and its file,
    for a `forward` that fails or gives another shape, a change of its input, a parameter without a gradient, random
    numbers or state of its own, attention without effect, and a loss or figures that a run could not use.
    """
    images = torch.rand(IMAGES, *run.dataset.shape, generator=torch.Generator().manual_seed(0))
    if run.backbone.code:
        plain = Run(dataset=run.dataset, backbone=run.backbone, recipe=run.recipe, seed=run.seed)
        classifies = isinstance(run.actual_task, Classification)
        _examine(run.backbone, lambda: build(plain), images, (IMAGES, run.dataset.classes) if classifies else None)
    if run.attention is not None and run.attention.code:
        for name, maps in _attention_inputs(build(run), images).items():
            _examine(run.attention, partial(_made, run, name), maps, tuple(maps.shape))
    if run.recipe.ema is not None and (own := [part for part in (run.backbone, run.attention) if part and part.code]):
        try:
            copy.deepcopy(build(run))
        except Exception as error:
            raise ConfigError(
                f"{named(own[-1])}: cannot be copied, as recipe.ema={run.recipe.ema:g} does: {told(error)}"
            ) from error
    if run.actual_task.code and isinstance(data, ImageData):
        _check_task(run, data)


def _check_task(run: Run, data: ImageData) -> None:
    """Take a step's loss, and count and score a few images, as a task of the user's own says."""
    task, module = run.actual_task, module_of(run)
    pixels, targets = data.images.scored(range(min(IMAGES, data.images.scored_count)))
    if not isinstance(module, ImageModule):
        return  # it says for itself what a batch is
    images = normalise(pixels, data.images.mean, data.images.std)

    def refuse(problem: str) -> ConfigError:
        return ConfigError(f"{named(task)}: {problem}")

    try:
        with seeded(0, CPU):
            outputs = module(images)
        loss = module.loss(outputs, targets)
    except Exception as error:
        raise refuse(f"loss failed on {IMAGES} images: {told(error)}") from error
    if not isinstance(loss, Tensor) or loss.dim() or not loss.requires_grad or not loss.isfinite():
        shown = tuple(loss.shape) if isinstance(loss, Tensor) and loss.dim() else loss
        raise refuse(f"loss gives {shown}, must be a finite number with a gradient")
    try:
        counts = module.count(outputs.detach() if isinstance(outputs, Tensor) else outputs, targets).double()
        figures = module.figures(counts + counts, 2 * IMAGES)
    except Exception as error:
        raise refuse(f"count and figures failed on {IMAGES} images: {told(error)}") from error
    if taken := sorted(NO_FIGURES & figures.keys()):
        raise refuse(f"figures give {taken[0]}, which an epoch's line has of its own; give it another name")
    for metric in task.metrics:
        if not isinstance(figures.get(metric.name), int | float):
            raise refuse(f"figures give {', '.join(figures)}, must give {metric.name}, a number")


class _Place(nn.Module):
    """Stands in an attention module's place, and keeps the maps that reach it."""

    def forward(self, x: Tensor) -> Tensor:
        """Give the maps back as they are."""
        self.maps = x.detach().clone()
        return x


def _holder(network: nn.Module, name: str) -> tuple[nn.Module, str]:
    """Return the module that has the attention `name` of a network as a child, and the child's name."""
    above, _, child = name.rpartition(".")
    module = network.get_submodule(name)
    if isinstance(module, nn.Sequential) and isinstance(module[0], Permute):  # behind a layer with channels last
        return module, "1"
    return network.get_submodule(above), child


def _made(run: Run, name: str) -> nn.Module:
    """Build the attention module `name` of a run's network."""
    holder, child = _holder(build(run), name)
    return holder.get_submodule(child)


def _attention_inputs(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Return the maps that reach each attention module, by its name."""
    places = {name: _Place() for name, _ in network.named_modules() if name.rpartition(".")[2] == "attention"}
    for name, place in places.items():
        holder, child = _holder(network, name)
        holder.register_module(child, place)
    with torch.no_grad(), seeded(0, CPU):
        network(images)
    return {name: place.maps for name, place in places.items()}


def _examine(spec: Any, make: Callable[[], nn.Module], x: Tensor, expected: tuple[int, ...] | None) -> None:
    """Try modules that a spec makes on maps or images `x`; ConfigError for what would spoil a run."""

    def refuse(problem: str) -> ConfigError:
        return ConfigError(f"{named(spec)}: {problem}")

    module, again = make(), make()
    if not _equal(module.state_dict(), again.state_dict()):
        raise refuse("is built with random numbers that the run's seed does not decide; draw them from torch")
    shape = tuple(x.shape)
    leaf = x.clone().requires_grad_()
    given = leaf * 1
    try:
        with seeded(0, CPU):
            y = module(given)
        with seeded(0, CPU), torch.no_grad():
            y_again = again(x.clone())
    except Exception as error:
        raise refuse(f"forward failed on {shape}: {told(error)}") from error
    if expected is None and not isinstance(y, Tensor):
        return  # its task says what it gives
    if not isinstance(y, Tensor) or expected not in (None, tuple(y.shape)):
        gives = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise refuse(f"forward gives {gives} for {shape}, must be {expected}")
    if not torch.equal(given, x):
        raise refuse("forward changes its input in place, which the layers before it need for their gradients")
    if not y.isfinite().all():
        raise refuse(f"forward gives what is no finite number for {shape} of ordinary size")
    if not torch.equal(y, y_again):
        raise refuse("forward draws random numbers that the run's seed does not decide; draw them from torch")
    weights = torch.rand(y.shape, generator=torch.Generator().manual_seed(1))
    try:
        torch.autograd.backward((y * weights).sum())
    except Exception as error:
        raise refuse(f"no gradient comes back through it: {told(error)}") from error
    idle = [name for name, p in module.named_parameters() if p.requires_grad and p.grad is None]
    if idle:
        raise refuse(f"its parameter {idle[0]!r} gets no gradient: forward does not use it")
    moves = any(p.grad is not None and p.grad.any() for p in module.parameters())
    if y.shape == x.shape and torch.equal(y, x) and not moves:  # one that begins as the identity may learn
        raise refuse("has no effect: forward gives back its input")
    _check_state(module, make(), x, refuse)


def _check_state(module: nn.Module, fresh: nn.Module, x: Tensor, refuse: Callable[[str], ConfigError]) -> None:
    """Refuse a module that keeps what a checkpoint does not have."""
    with seeded(1, CPU), torch.no_grad():
        module(x.flip(0) * 2)  # another batch, that leaves its mark on running means
    fresh.load_state_dict(module.state_dict())
    with seeded(0, CPU), torch.no_grad():
        before = module.eval()(x.clone())
    with seeded(0, CPU), torch.no_grad():
        after = fresh.eval()(x.clone())
    if not torch.equal(before, after):
        raise refuse(
            "keeps state outside its state_dict, which a checkpoint would not have; use register_buffer, or a parameter"
        )


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
