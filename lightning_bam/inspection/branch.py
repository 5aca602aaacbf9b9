"""The spatial branch of an attention module, as a function that a gradient can pass."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from lightning_bam.attention import BAM, CBAM
from lightning_bam.attention.layers import BroadcastNorm
from lightning_bam.config import BAMSpec
from lightning_bam.inspection.attended import Attended, attention_modules, module_inputs
from lightning_bam.inspection.field import energy, reach, redilated
from lightning_bam.inspection.maps import described

Branch = Callable[[Tensor], Tensor]

DRAWS: Final = 16
"""Random weights, and noise inputs, over which a field is averaged."""

CHUNK: Final = 4
"""Images whose gradient is taken together, so that large networks fit in memory."""


def spatial_layers(module: Attended) -> nn.Module | None:
    """Return the convs of the spatial branch, None for a module without one (SE, BAM's channel branch alone)."""
    layers = module.spatial if isinstance(module, BAM | CBAM) else None
    if isinstance(layers, nn.Sequential) and len(layers) and isinstance(layers[-1], BroadcastNorm):
        return layers[:-1]  # a scale and a shift of each channel: it sees what the map sees
    return layers


def as_function(module: Attended, layers: nn.Module) -> Branch:
    """Return `(N, C, H, W) -> (N, 1, H, W)` logits by `layers`; CBAM describes its input by mean and maximum first."""
    if isinstance(module, CBAM):
        return lambda x: layers(described(x))
    return layers


def noise(x: Tensor, side: int, n: int, seed: int) -> Tensor:
    """Return `(n, C, side, side)` of Gaussian noise with the channels' means and deviations of `x` `(N, C, H, W)`."""
    generator = torch.Generator().manual_seed(seed)
    mean, deviation = x.mean(dim=(0, 2, 3)), x.std(dim=(0, 2, 3))
    drawn = torch.randn(n, x.shape[1], side, side, generator=generator, dtype=torch.float64).to(x.dtype)
    return drawn * deviation[:, None, None] + mean[:, None, None]


def own_field(module: Attended, x: Tensor, dilation: int) -> Tensor:
    """Return the energy `(s, s)` of the module's own weights at `dilation`, on a canvas of the theoretical side s.

    Args:
        module: with a spatial branch; eval mode.
        x: what reaches it, `(N, C, H, W)`; noise of its channels' means and deviations is what fills the canvas, so
            that the border of a small map hides nothing. Averaged over `DRAWS` canvases.
        dilation: of the convs above 1x1.

    """
    layers = spatial_layers(module)
    assert layers is not None
    side = reach(layers, dilation).side
    return energy(as_function(module, redilated(layers, dilation)), noise(x, side, DRAWS, seed=0))


def random_field(spec: BAMSpec, x: Tensor, dilation: int) -> Tensor:
    """Return the same of freshly drawn weights (torch's init), averaged over `DRAWS` draws, one canvas each."""
    fields = []
    with torch.random.fork_rng(devices=[]):
        for draw in range(DRAWS):
            torch.default_generator.manual_seed(draw)
            module = BAM(
                x.shape[1],
                reduction=spec.reduction,
                dilation=dilation,
                branches="spatial",
                norm=spec.norm,
                activation=spec.activation,
                dilated_convs=spec.dilated_convs,
            ).eval()
            layers = spatial_layers(module)
            assert layers is not None
            canvas = noise(x, reach(layers).side, 1, seed=draw)
            fields.append(energy(layers.to(x.dtype), canvas))
    return torch.stack(fields).mean(dim=0)


def image_field(network: nn.Module, name: str, images: Tensor) -> Tensor:
    """Return the energy `(h, w)` of the spatial map of module `name` on the images `(N, c, h, w)` themselves.

    The gradient takes every path: through attention modules before this one too, whose channel branches pool the
    whole image.
    """
    module = attention_modules(network)[name]
    layers = spatial_layers(module)
    assert layers is not None
    through = as_function(module, layers)
    parts = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
    fields = [energy(lambda pixels: through(module_inputs(network, pixels)[0][name]), part) for part in parts]
    return torch.stack([field * len(part) for field, part in zip(fields, parts, strict=True)]).sum(dim=0) / len(images)


def image_reach(network: nn.Module, name: str, shape: Sequence[int]) -> tuple[int, int]:
    """Return the rows and columns of an image `(c, h, w)` that the centre of a module's spatial map can see.

    Found as the support of the gradient where every weight is positive and nothing cancels; attention modules before
    this one count as the identity, since a channel branch would make every field the whole image.
    """
    bare = copy.deepcopy(network).double().eval()
    modules = attention_modules(bare)
    for one in modules.values():
        one.forward = lambda x: x  # type: ignore[method-assign]
    positive(bare)
    layers = spatial_layers(modules[name])
    assert layers is not None
    through = as_function(modules[name], layers)
    blank = torch.ones(1, *shape, dtype=torch.float64)
    field = energy(lambda pixels: through(module_inputs(bare, pixels)[0][name]), blank)
    return int((field.sum(dim=1) > 0).sum()), int((field.sum(dim=0) > 0).sum())


def positive(network: nn.Module) -> None:
    """Make every conv a mean, every norm the identity and every maximum a mean, in place."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            if layer.affine:
                nn.init.ones_(layer.weight)
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.MaxPool2d):
            mean = nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)
            layer.forward = mean.forward  # type: ignore[method-assign]
