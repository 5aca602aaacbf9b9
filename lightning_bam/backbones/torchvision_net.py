"""Any classification network of torchvision, by its name."""

from functools import partial
from typing import Any

import torchvision
from torch import nn
from torchvision import models

from lightning_bam.backbones.library import create, title
from lightning_bam.backbones.pretrained import load_weights
from lightning_bam.config import ConfigError, Torchvision, nearest


def torchvision_net(spec: Torchvision, channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
    """Return the network for images of `channels` channels and `size` `(H, W)`, with the weights of its file if any.

    For other than 3 channels the first convolution is one for these, drawn as torch draws it. ConfigError: a name that
    is none of a classification network, a size that the network cannot be made for, or weights that do not fit.
    """
    known = models.list_models(module=models)
    if spec.name not in known:
        if spec.name in models.list_models():
            raise ConfigError(
                f"backbone.name={spec.name}: is a network of torchvision for detection, segmentation, video or optical "
                "flow, or a quantised one; a backbone is a classification network of floating point numbers"
            )
        raise ConfigError(
            f"backbone.name={spec.name}: torchvision {torchvision.__version__} has no classification network of that "
            f"name; {nearest(spec.name, known)}"
        )
    make = partial(models.get_model, spec.name, weights=None, num_classes=classes, **options(spec, size))
    network = create(spec, make)
    layers = [name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    if channels != 3:
        _take_channels(network, layers[0], channels)
    load_weights(network, spec, layers[-1:])
    return network


def options(spec: Torchvision, size: tuple[int, int]) -> dict[str, Any]:
    """Return what torchvision is told of some networks, beside their classes; ConfigError for a size that cannot be."""
    height, width = size
    if spec.name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "init_weights": True}
    if spec.name.startswith("vit_"):
        if height != width:
            raise ConfigError(f"{title(spec)}: needs images as high as wide, got {height} x {width}")
        return {"image_size": height}
    return {"input_size": size} if spec.name.startswith("maxvit") else {}


def _take_channels(network: nn.Module, name: str, channels: int) -> None:
    """Replace the first convolution by one that differs in its input channels alone."""
    old = network.get_submodule(name)
    assert isinstance(old, nn.Conv2d)
    above, _, child = name.rpartition(".")
    new = nn.Conv2d(
        channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        stride=old.stride,  # type: ignore[arg-type]
        padding=old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    setattr(network.get_submodule(above), child, new)
