"""What the networks of libraries need here: one line for what they do not take, shared dropout, and their stages."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from lightning_bam.backbones.layers import SharedDropout, SharedStochasticDepth
from lightning_bam.config import ConfigError, LibraryNet, TimmAttention
from lightning_bam.probe import blank_image, eval_mode, outputs
from lightning_bam.user_code.build import told

RESNET: Final = re.compile("layer[1-9]")
"""What the ResNet family calls its stages, in both libraries."""


def title(spec: LibraryNet | TimmAttention) -> str:
    """Name what a library makes."""
    return f"{spec.slot}={spec.kind} {spec.name}"


def create(spec: LibraryNet, make: Callable[[], Any]) -> nn.Module:
    """Return the network that a library makes, with dropout that draws for the global batch; ConfigError if it fails.

    On the meta device the network may be made on the CPU: torchvision's RegNet reads its widths from tensors.
    """
    try:
        try:
            network: nn.Module = make()
        except NotImplementedError:
            if torch.get_default_device().type != "meta":
                raise
            with torch.device("cpu"):
                network = make().to("meta")
    except Exception as error:  # whatever a library says of what it cannot make
        raise ConfigError(f"{title(spec)}: cannot be made so: {told(error)}") from error
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, SharedDropout(child.p))
            elif isinstance(child, StochasticDepth) and child.mode == "row":
                setattr(module, name, SharedStochasticDepth(child.p))
    return network


def check_images(network: nn.Module, shape: Sequence[int], classes: int, what: str) -> None:
    """Pass one blank image of `shape` `(C, H, W)` through a network, in eval mode; ConfigError where that fails.

    Also where it gives anything but `(1, classes)`. `what` names the network.
    """
    image = " x ".join(map(str, shape))
    try:
        with eval_mode(network):
            logits = network(blank_image(network, shape))
    except Exception as error:
        raise ConfigError(f"{what}: does not take images of {image}: {told(error)}") from error
    gives = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if gives != (1, classes):
        raise ConfigError(f"{what}: gives {gives} for one image of {image}, must be {(1, classes)}")


def stages(network: nn.Module, spec: LibraryNet, shape: Sequence[int]) -> list[str]:
    """Return the names of a network's stages; ConfigError, with layers that could be meant, if it does not know them.

    They are `layer1`, `layer2` ... where it has them, else the modules of timm's `feature_info`.
    """
    names = [name for name, _ in network.named_children() if RESNET.fullmatch(name)]
    if not names:
        info = getattr(network, "feature_info", None) or []
        names = [entry["module"] for entry in getattr(info, "info", info) if entry.get("module")]
    if len(names) > 1:
        return list(dict.fromkeys(names))
    layers = _before_falls(network, shape)
    advice = f", as placement.layers={','.join(layers)}, behind which the resolution falls" if layers else ""
    raise ConfigError(
        f"placement=after_stages: {title(spec)} does not name its stages; use placement=at_layers with "
        f"placement.layers{advice}"
    )


def _before_falls(network: nn.Module, shape: Sequence[int]) -> list[str]:
    """Return the outer layers that give larger maps than the next one, but for the last pooling."""
    layers: dict[str, nn.Module] = {}
    for name, child in network.named_children():
        inner = child.named_children() if isinstance(child, nn.Sequential) else ()
        layers |= {f"{name}.{part}": layer for part, layer in inner} or {name: child}
    areas = {}
    for name, layer in layers.items():
        try:
            height, width = outputs(network, [name], shape)[name].map.shape[2:]
        except ConfigError:  # gives no map
            continue
        if not isinstance(layer, nn.AdaptiveAvgPool2d):
            areas[name] = height * width
    return [name for (name, area), (_, behind) in pairwise(areas.items()) if behind < area]
