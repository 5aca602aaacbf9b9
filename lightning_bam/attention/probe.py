"""Looking at a network by passing one blank image through it, and leaving it as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lightning_bam.config import ConfigError


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module of `model` in eval mode, without gradients, and give each its own mode back afterwards."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in training.items():
            module.training = mode


def blank_image(model: nn.Module, input_shape: Sequence[int]) -> Tensor:
    """Return zeros `(1, *input_shape)` of the device and the floating-point type of `model`'s parameters."""
    device, dtype = home(model)
    return torch.zeros(1, *input_shape, device=device, dtype=dtype)


def home(model: nn.Module) -> tuple[torch.device | None, torch.dtype | None]:
    """Return the device and type of the first floating-point parameter, None for torch's defaults without one."""
    found = next((p for p in model.parameters() if p.is_floating_point()), None)
    return (None, None) if found is None else (found.device, found.dtype)


def output_channels(model: nn.Module, names: Sequence[str], input_shape: Sequence[int]) -> dict[str, int]:
    """Return the channels that each named layer gives, found by one blank image of `input_shape` `(C, H, W)`.

    Raises:
        ConfigError: an image that the network does not accept, or a layer that is called other than once or does not
            give `(N, C, H, W)`.

    """
    seen: dict[str, list[Any]] = {name: [] for name in names}
    layers = dict(model.named_modules())
    hooks = [
        layers[name].register_forward_hook(lambda _m, _i, out, name=name: seen[name].append(_shape(out)))
        for name in names
    ]
    try:
        with evaluating(model):
            model(blank_image(model, input_shape))
    except Exception as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise ConfigError(f"input_shape={tuple(input_shape)}: the network does not accept it ({first})") from error
    finally:
        for hook in hooks:
            hook.remove()
    for name, shapes in seen.items():
        if len(shapes) != 1:
            raise ConfigError(f"layer {name!r}: called {len(shapes)} times in one pass; name a layer called once")
        if not isinstance(shapes[0], tuple) or len(shapes[0]) != 4:
            raise ConfigError(f"layer {name!r}: gives {shapes[0]}, attention needs (N, C, H, W)")
    return {name: shapes[0][1] for name, shapes in seen.items()}


def _shape(output: Any) -> tuple[int, ...] | str:
    return tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
