"""Looking at a network by passing one blank image through it, and leaving it as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a layer gives.

    Attributes:
        channels: how many.
        last: whether they come last, `(N, H, W, C)`, as in torchvision's Swin.
        device: where it is.
        dtype: its type.

    """

    channels: int
    last: bool
    device: torch.device
    dtype: torch.dtype


def outputs(model: nn.Module, names: Sequence[str], input_shape: Sequence[int]) -> dict[str, Output]:
    """Return what each named layer gives, found by one blank image of `input_shape` `(C, H, W)`.

    Raises:
        ConfigError: an image that the network does not accept, or a layer that is called other than once or gives
            neither `(N, C, H, W)` nor `(N, H, W, C)`.

    """
    seen: dict[str, list[Any]] = {name: [] for name in names}
    hooks = [
        model.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: seen[name].append(out))
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
    found = {}
    for name, given in seen.items():
        if len(given) != 1:
            raise ConfigError(f"layer {name!r}: called {len(given)} times in one pass; name a layer called once")
        output = given[0]
        if not isinstance(output, Tensor) or output.dim() != 4 or not output.is_floating_point():
            gives = type(output).__name__
            if isinstance(output, Tensor):
                gives = str(tuple(output.shape) if output.dim() != 4 else output.dtype)
            raise ConfigError(f"layer {name!r}: gives {gives}, attention needs (N, C, H, W)")
        last = _channels_last(tuple(output.shape[1:]), tuple(input_shape[-2:]))
        channels = output.shape[3 if last else 1]
        found[name] = Output(channels=channels, last=last, device=output.device, dtype=output.dtype)
    return found


def _channels_last(shape: tuple[int, ...], image: tuple[int, ...]) -> bool:
    """Tell `(H, W, C)` from `(C, H, W)`: a map keeps the image's proportions, as far as whole pixels can."""
    return _in_proportion(shape[:2], image) and not _in_proportion(shape[1:], image)


def _in_proportion(shape: tuple[int, ...], image: tuple[int, ...]) -> bool:
    """Return whether `shape` is `image` divided by one stride, each side rounded either way."""
    (height, width), (full_height, full_width) = shape, image
    return (height - 1) * full_width < (width + 1) * full_height and (width - 1) * full_height < (
        height + 1
    ) * full_width
