"""The spatial branch of an attention module, as a function that a gradient can pass."""

import copy
from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from lightning_bam.attention import BAM, CBAM
from lightning_bam.attention.layers import BroadcastNorm
from lightning_bam.inspection.field import energy, reach, redilated
from lightning_bam.inspection.maps import Attention, attention_modules, described, module_inputs

DRAWS: Final = 16
"""Noise inputs over which a field is averaged."""
CHUNK: Final = 4
"""Images whose gradient is taken together, so that large networks fit in memory."""


def spatial_layers(module: Attention) -> nn.Module | None:
    """Return the convs of the spatial branch, None for a module without one (SE, BAM's channel branch alone)."""
    layers = module.spatial if isinstance(module, BAM | CBAM) else None
    if isinstance(layers, nn.Sequential) and len(layers) and isinstance(layers[-1], BroadcastNorm):
        return layers[:-1]  # a scale and a shift of each channel: it sees what the map sees
    return layers


def spatial_logits(module: Attention, dilation: int | None = None) -> Callable[[Tensor], Tensor]:
    """Return `(N, C, H, W) -> (N, 1, H, W)` logits of the spatial branch, with its convs above 1x1 at `dilation`."""
    layers = spatial_layers(module)
    assert layers is not None
    convs = layers if dilation is None else redilated(layers, dilation)
    return (lambda x: convs(described(x))) if isinstance(module, CBAM) else convs


def noise(x: Tensor, side: int, n: int) -> Tensor:
    """Return `(n, C, side, side)` of Gaussian noise with the channels' means and deviations of `x` `(N, C, H, W)`."""
    generator = torch.Generator().manual_seed(0)
    mean, deviation = x.mean(dim=(0, 2, 3)), x.std(dim=(0, 2, 3))
    normal = torch.randn(n, x.shape[1], side, side, generator=generator, dtype=torch.float64).to(x.dtype)
    return normal * deviation[:, None, None] + mean[:, None, None]


def own_field(module: Attention, x: Tensor, dilation: int) -> Tensor:
    """Return the energy `(s, s)` of the module's own weights at `dilation`, on a canvas of the theoretical side s.

    Noise with the channels' means and deviations of its input `x` `(N, C, H, W)` fills `DRAWS` canvases, so that the
    border of a small map hides nothing.
    """
    layers = spatial_layers(module)
    assert layers is not None
    return energy(spatial_logits(module, dilation), noise(x, reach(layers, dilation).side, DRAWS))


def image_field(network: nn.Module, name: str, images: Tensor) -> Tensor:
    """Return the energy `(h, w)` of the spatial map of module `name` on the images `(N, c, h, w)` themselves.

    The gradient takes every path: through attention modules before this one too, whose channel branches pool the
    whole image.
    """
    logits = spatial_logits(attention_modules(network)[name])
    fields = [
        energy(lambda pixels: logits(module_inputs(network, pixels)[0][name]), part) * len(part)
        for part in torch.split(images, CHUNK)
    ]
    return torch.stack(fields).sum(dim=0) / len(images)


def image_reach(network: nn.Module, name: str, shape: Sequence[int]) -> tuple[int, int]:
    """Return the rows and columns of an image `(c, h, w)` that the centre of a module's spatial map can see.

    It is the support of the gradient where nothing cancels: every conv and maximum is a mean, every norm the identity.
    Attention before this module is the identity, too, since a channel branch would make every field the whole image.
    """
    bare = copy.deepcopy(network).double().eval()
    modules = attention_modules(bare)
    for module in modules.values():
        module.forward = lambda x: x  # type: ignore[method-assign]
    for layer in bare.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
        elif isinstance(layer, nn.MaxPool2d):
            mean = nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)
            layer.forward = mean.forward  # type: ignore[method-assign]
    logits = spatial_logits(modules[name])
    blank = torch.ones(1, *shape, dtype=torch.float64)
    field = energy(lambda pixels: logits(module_inputs(bare, pixels)[0][name]), blank)
    return int((field.sum(dim=1) > 0).sum()), int((field.sum(dim=0) > 0).sum())
