"""Looking at a network by passing one blank image through it, and leaving it as it was."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lightning_bam.config import ConfigError


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
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
    """Return zeros `(1, *input_shape)` of the device and type of `model`'s first floating-point parameter."""
    parameter = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(0))
    return torch.zeros(1, *input_shape, device=parameter.device, dtype=parameter.dtype)


@dataclass(frozen=True)
class Output:
    """A layer's `map` `(1, C, H, W)` of one image; `last` where its channels came last, as in torchvision's Swin."""

    map: Tensor
    last: bool

    @property
    def channels(self) -> int:
        """C."""
        return self.map.shape[1]


def outputs(model: nn.Module, names: Sequence[str], input_shape: Sequence[int]) -> dict[str, Output]:
    """Return what each named layer gives for one blank image of `input_shape` `(C, H, W)`, in eval mode.

    ConfigError for an image that the network does not accept, and for a layer that is called other than once or gives
    neither `(N, C, H, W)` nor `(N, H, W, C)`.
    """
    calls: dict[str, list[Any]] = {name: [] for name in names}
    hooks = [
        model.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: calls[name].append(out))
        for name in names
    ]
    try:
        with eval_mode(model):
            model(blank_image(model, input_shape))
    except Exception as error:
        line = (str(error) or type(error).__name__).splitlines()[0]
        raise ConfigError(f"input_shape={tuple(input_shape)}: the network does not accept it ({line})") from error
    finally:
        for hook in hooks:
            hook.remove()
    return {name: _output(name, calls[name], input_shape[-2:]) for name in names}


def _output(name: str, calls: list[Any], image: Sequence[int]) -> Output:
    if len(calls) != 1:
        raise ConfigError(f"layer {name!r}: called {len(calls)} times in one pass; name a layer called once")
    output = calls[0]
    if not isinstance(output, Tensor):
        raise ConfigError(f"layer {name!r}: gives {type(output).__name__}, attention needs (N, C, H, W)")
    if output.dim() != 4 or not output.is_floating_point():
        gives = output.dtype if output.dim() == 4 else tuple(output.shape)
        raise ConfigError(f"layer {name!r}: gives {gives}, attention needs (N, C, H, W)")
    # a map keeps the image's proportions, as far as whole pixels can
    last = _in_proportion(output.shape[1:3], image) and not _in_proportion(output.shape[2:], image)
    return Output(output.permute(0, 3, 1, 2) if last else output, last)


def _in_proportion(shape: Sequence[int], image: Sequence[int]) -> bool:
    """Return whether `shape` is `image` divided by one stride, each side rounded either way."""
    (height, width), (full_height, full_width) = shape, image
    if (height - 1) * full_width >= (width + 1) * full_height:
        return False
    return (width - 1) * full_height < (height + 1) * full_width
