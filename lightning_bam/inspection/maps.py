"""A network's attention modules, what reaches them, and the maps they make of it, from their own weights."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lightning_bam.attention import (
    BAM,
    CBAM,
    ECA,
    SE,
    CoordinateAttention,
    GatherExcite,
    GlobalContext,
    SimAM,
    TripletAttention,
)
from lightning_bam.attention.layers import BroadcastNorm
from lightning_bam.config import ConfigError

Attention = BAM | SE | CBAM | ECA | SimAM | CoordinateAttention | GlobalContext | TripletAttention | GatherExcite


def attention_modules(network: nn.Module) -> dict[str, nn.Module]:
    """Return the modules of `network` that have a gate, in its order, by the layer they stand behind.

    One of the user's own has a method `gate`: maps `(N, C, H, W)` to what broadcasts to that shape. ConfigError if
    none: a global context that only adds has no gate.
    """
    modules = {
        name.removesuffix(".1").removesuffix(".attention"): module
        for name, module in network.named_modules()
        if _has_gate(module) or (name.removesuffix(".1").endswith(".attention") and callable(own_gate(module)))
    }
    if not modules:
        raise ConfigError(
            "this network holds no attention module with a gate; inspect a run with one, as attention=bam, or give "
            "your own module a method gate(self, x)"
        )
    return modules


def _has_gate(module: nn.Module) -> bool:
    return isinstance(module, Attention) and not (isinstance(module, GlobalContext) and module.scale is None)


def own_gate(module: nn.Module) -> Any:
    """Return the method by which a module shows its gate; None where it has none."""
    return getattr(module, "gate", None)


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

    The gate is the factor before a residual or what is added, of a shape that broadcasts to `(N, C, H, W)`: BAM's
    `sigmoid(s_c + s_s)` (or product, or max), SE's `sigmoid(s_c)`, CBAM's `sigmoid(s_c) sigmoid(s_s)`. Where there is
    one for each channel, their logits are `channel`; other gates have no branches of these kinds.
    """

    channel: Tensor | None
    spatial: Tensor | None
    gate: Tensor


def maps(module: nn.Module, x: Tensor) -> Maps:
    """Return the maps that `module`, in its own mode, makes of `x` `(N, C, H, W)`."""
    if isinstance(module, BAM):
        pooled = x.mean(dim=(2, 3))
        return Maps(
            None if module.channel is None else module.channel(pooled),
            None if module.spatial is None else module.spatial(x).mean(dim=1),
            torch.sigmoid(module.logits(x)),
        )
    if isinstance(module, CBAM):
        channel = module.channel(x.mean(dim=(2, 3))) + module.channel(x.amax(dim=(2, 3)))
        along_channels = torch.sigmoid(channel)[:, :, None, None]
        spatial = module.spatial(described(x * along_channels))
        return Maps(channel, spatial[:, 0], along_channels * torch.sigmoid(spatial))
    if isinstance(module, SE):
        logits = module.fc2(module.activation(module.fc1(module.avgpool(x))))
    elif isinstance(module, ECA | SimAM | GlobalContext | GatherExcite):
        logits = module.logits(x)
    else:
        return Maps(None, None, own_gate(module)(x))
    return Maps(logits[:, :, 0, 0] if logits.shape[2:] == (1, 1) else None, None, torch.sigmoid(logits))


def described(x: Tensor) -> Tensor:
    """Return CBAM's two-channel description `(N, 2, H, W)` of `x` `(N, C, H, W)`: mean and maximum over channels."""
    return torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)


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
