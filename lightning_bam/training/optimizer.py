"""The optimizer of a recipe, one of torch's, and its learning rate."""

import inspect
import math
from bisect import bisect_right
from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from lightning_bam.config import ConfigError, Option, Recipe, nearest

if TYPE_CHECKING:
    import pytorch_lightning as pl

NOT_OPTIONS: Final = frozenset({"maximize", "foreach", "fused", "capturable", "differentiable"})
"""Arguments that say how torch computes a step, which is no part of a run, or turn learning around."""


def lr_factor(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Return what `recipe.lr` is multiplied by at optimizer step `step`, counted from 0, after a linear warm-up.

    Milestones are rounded to whole epochs and never before the first is over; `cosine` falls from 1 to 0 over the run.
    """
    warmup = recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if recipe.schedule == "step":
        passed = bisect_right([max(1, round(m * recipe.epochs)) for m in recipe.milestones], step // steps_per_epoch)
        return float(recipe.gamma**passed)
    if recipe.schedule == "cosine":
        total = recipe.epochs * steps_per_epoch
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
    return 1.0


def make_optimizer(weights: Iterable[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer over `weights`, every one of which decays alike.

    Raises ConfigError: torch has no such optimizer, or it wants what a step here does not give (a loss to evaluate
    again, sparse gradients); it has no such option, or does not take this value, this weight decay or these weights.
    """
    cls = _optimizer_class(recipe.optimizer)
    own = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "sgd":
        own |= {"momentum": recipe.momentum, "nesterov": recipe.nesterov}
    known = inspect.signature(cls).parameters
    if "weight_decay" not in known and own.pop("weight_decay"):
        decay = f"recipe.weight_decay={recipe.weight_decay:g}"
        raise ConfigError(f"{decay}: {cls.__name__} decays no weights; set recipe.weight_decay=0")
    usual = {name: one.default for name, one in known.items() if name not in {"params", *own, *NOT_OPTIONS}}
    for name, value in recipe.optimizer_options.items():
        _check_option(cls, name, value, own, usual)
    try:
        optimizer: torch.optim.Optimizer = cls(weights, **own, **recipe.optimizer_options)
    except (TypeError, ValueError) as error:
        where = "_options" if recipe.optimizer_options else f"={recipe.optimizer}"
        said = str(error).partition("\n")[0][:160]
        raise ConfigError(f"recipe.optimizer{where}: {cls.__name__}: {said}") from None
    return optimizer


def _optimizer_class(name: str) -> Any:
    base = torch.optim.Optimizer
    classes = {n.lower(): c for n, c in vars(torch.optim).items() if isinstance(c, type) and issubclass(c, base)}
    where = f"recipe.optimizer={name}"
    if (cls := classes.get(name)) is None or cls is base:
        usable = [other for other, c in classes.items() if c is not base and not _unusable(c)]
        raise ConfigError(f"{where}: torch.optim has no such optimizer; {nearest(name, usable)}")
    if reason := _unusable(cls):
        raise ConfigError(f"{where}: {reason}; use another, as adamw")
    return cls


def _unusable(cls: type[torch.optim.Optimizer]) -> str:
    """Say why an optimizer cannot make a step from one backward pass; empty where it can."""
    if cls is torch.optim.SparseAdam:
        return "it takes sparse gradients, which no network here has"
    closure = inspect.signature(cls.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        return "it evaluates a batch several times a step, and a batch here is drawn once"
    return ""


def _check_option(cls: type, name: str, value: Option, own: Container[str], usual: Mapping[str, Any]) -> None:
    where = f"recipe.optimizer_options.{name}={_text(value)}"
    if name in own:
        raise ConfigError(f"{where}: this is the recipe's own; set recipe.{name}")
    if name not in usual:
        raise ConfigError(f"{where}: {cls.__name__} has no such option; {nearest(name, usual)}")
    if not _fits(value, usual[name]):
        raise ConfigError(f"{where}: give {_kind(usual[name])}, as torch's own {_text(usual[name])}")


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        alike = isinstance(value, tuple) and len(value) == len(default)
        return alike and all(map(_fits, value, default))
    if default is None:  # torch's own choice: a number, or a word
        return not isinstance(value, bool | tuple)
    if isinstance(default, bool | str):
        return type(value) is type(default)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(default: Any) -> str:
    if isinstance(default, tuple):
        return f"{len(default)} numbers"
    return "true or false" if isinstance(default, bool) else "a number or a word" if default is None else "a number"


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def configure(module: "pl.LightningModule", recipe: Recipe) -> dict[str, Any]:
    """Return what Lightning asks for: the recipe's optimizer over `module`, and the schedule, stepped every batch."""
    optimizer = make_optimizer(module.parameters(), recipe)
    steps = int(module.trainer.estimated_stepping_batches) // recipe.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(recipe, step, steps))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
