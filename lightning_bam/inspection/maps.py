"""A network's attention modules, what reaches them, and the maps they make of it, from their own weights."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lightning_bam.attention import BAM, CBAM, ECA, SE, GatherExcite, GlobalContext, SimAM
from lightning_bam.attention.cbam import described
from lightning_bam.attention.gate import gated_modules
from lightning_bam.attention.layers import BroadcastNorm
from lightning_bam.config import ConfigError


def attention_modules(network: nn.Module) -> dict[str, Any]:
    """Return the modules of `network` that have a gate, as `gated_modules` does; ConfigError if none."""
    modules = gated_modules(network)
    if not modules:
        raise ConfigError(
            "this network holds no attention module with a gate; inspect a run with one, as attention=bam, or give "
            "your own module a method gate(self, x)"
        )
    return modules


def module_inputs(network: nn.Module, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Return what of `images` `(N, C, H, W)` reaches each module, `(N, c, h, w)` by name, and the network's output."""
    inputs: dict[str, Tensor] = {}

    def keep(name: str, _module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs[name] = arguments[0]

    modules = attention_modules(network).items()
    hooks = [module.register_forward_pre_hook(partial(keep, name)) for name, module in modules]
    try:
        output: Tensor = network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return inputs, output


@dataclass(frozen=True)
class Maps:
    """Logits of the `channel` `(N, C)` and the `spatial` branch `(N, H, W)`, None without one, and the gate.

    Where a gate has one logit for each channel, as SE's, these are `channel`; other gates have no branches of these
    kinds.
    """

    channel: Tensor | None
    spatial: Tensor | None
    gate: Tensor


def maps(module: Any, x: Tensor) -> Maps:
    """Return the maps that `module`, in its own mode, makes of `x` `(N, C, H, W)`."""
    channel = spatial = None
    if isinstance(module, BAM):
        channel = None if module.channel is None else module.channel(x.mean(dim=(2, 3)))
        spatial = None if module.spatial is None else module.spatial(x).mean(dim=1)
    elif isinstance(module, CBAM):
        logits = module.channel_logits(x)
        channel, spatial = logits[:, :, 0, 0], module.spatial_logits(x * torch.sigmoid(logits))[:, 0]
    elif isinstance(module, SE | ECA | SimAM | GlobalContext | GatherExcite):
        logits = module.logits(x)
        channel = logits[:, :, 0, 0] if logits.shape[2:] == (1, 1) else None
    return Maps(channel, spatial, module.gate(x))


def spatial_layers(module: nn.Module) -> nn.Module | None:
    """Return the convs of the spatial branch, None for a module without one, as SE or BAM's channel branch alone."""
    layers = module.spatial if isinstance(module, BAM | CBAM) else None
    if isinstance(layers, nn.Sequential) and len(layers) and isinstance(layers[-1], BroadcastNorm):
        return layers[:-1]  # a scale and a shift of each channel: it sees what the map sees
    return layers


def spatial_logits(module: nn.Module, dilation: int | None = None) -> Callable[[Tensor], Tensor]:
    """Return `(N, C, H, W) -> (N, 1, H, W)` logits of the spatial branch, with its convs above 1x1 at `dilation`."""
    layers = spatial_layers(module)
    assert layers is not None
    convs = layers if dilation is None else redilated(layers, dilation)
    return (lambda x: convs(described(x))) if isinstance(module, CBAM) else convs


def redilated(branch: nn.Module, dilation: int) -> nn.Module:
    """Return a copy of `branch` with its own weights and its convs above 1x1 at `dilation`, padded by as much."""
    other = copy.deepcopy(branch)
    for conv in other.modules():
        if isinstance(conv, nn.Conv2d) and conv.kernel_size[0] > 1:
            conv.dilation, conv.padding = (dilation, dilation), (dilation * (conv.kernel_size[0] // 2),) * 2
    return other
