"""How far one position of a spatial map sees: what it can see, and where its gradient really lies.

The effective receptive field is that of Luo, Li, Urtasun, Zemel (NeurIPS 2016, arXiv 1701.04128): the squared
gradient of one output position with respect to the input.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from lightning_bam.inspection.maps import attention_modules, module_inputs, spatial_layers, spatial_logits

SHARE: Final = 0.95
"""The share of the squared gradient that the effective field's square holds."""
DRAWS: Final = 16
"""Noise inputs over which a field is averaged."""
CHUNK: Final = 4
"""Images whose gradient is taken together, so that large networks fit in memory."""


@dataclass(frozen=True)
class FieldOfView:
    """What one output position can see along one axis, from the convs alone (stride 1, padded to keep the size).

    `offsets` are the positions that are read, in order; dilation leaves gaps between them.
    """

    offsets: tuple[int, ...]

    @property
    def side(self) -> int:
        """Length of the theoretical receptive field, `1 + sum of (k - 1) d`."""
        return self.offsets[-1] - self.offsets[0] + 1

    def read(self, height: int, width: int) -> int:
        """Return how many positions of a `(height, width)` map its centre reads."""
        rows = sum(0 <= height // 2 + offset < height for offset in self.offsets)
        return rows * sum(0 <= width // 2 + offset < width for offset in self.offsets)


def reach(branch: nn.Module, dilation: int | None = None) -> FieldOfView:
    """Return what the convs of `branch`, one after another, can see; those above 1x1 at `dilation` if given."""
    offsets = {0}
    for conv in branch.modules():
        if isinstance(conv, nn.Conv2d) and (kernel := conv.kernel_size[0]) > 1:
            step = dilation or conv.dilation[0]
            offsets = {at + (tap - kernel // 2) * step for at in offsets for tap in range(kernel)}
    return FieldOfView(tuple(sorted(offsets)))


def energy(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the squared gradient of the centre `(H // 2, W // 2)` of `function(x)` with respect to `x`.

    The function makes `(N, 1, H, W)` of `(N, C, h, w)`, each sample by itself; the gradient is `(h, w)` float64, summed
    over channels, averaged over samples.
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        out = function(x)
        centre = out[:, 0, out.shape[2] // 2, out.shape[3] // 2].sum()
        (gradient,) = torch.autograd.grad(centre, x)
    return gradient.double().square().sum(dim=1).mean(dim=0)


def extent(field: Tensor, n: int, centre: tuple[int, int] | None = None, share: float = SHARE) -> dict[str, Any]:
    """Return how far `field` `(h, w)`, a mean of `n`, reaches around `centre`, by default its middle.

    `side` is that of the smallest square around it that holds `share` of the field; it is odd and counts positions
    beyond the border, if the square reaches there. `rms` is the root mean square distance, weighted by the field. Both
    are None for a field of zeros.
    """
    height, width = field.shape
    row, column = centre or (height // 2, width // 2)
    rows, columns = torch.meshgrid(torch.arange(height) - row, torch.arange(width) - column, indexing="ij")
    total, side, rms = float(field.sum()), None, None
    if total:
        within = torch.maximum(rows.abs(), columns.abs())  # half the side of the square on whose border a position lies
        sums = torch.zeros(int(within.max()) + 1, dtype=field.dtype).index_add_(0, within.flatten(), field.flatten())
        side = 2 * int((sums.cumsum(0) < share * total * (1 - 1e-12)).sum()) + 1
        rms = math.sqrt(float((field * (rows.square() + columns.square())).sum()) / total)
    return {"n": n, "centre": [row, column], "side": side, "rms": rms}


def noise(x: Tensor, side: int, n: int) -> Tensor:
    """Return `(n, C, side, side)` of Gaussian noise with the channels' means and deviations of `x` `(N, C, H, W)`."""
    generator = torch.Generator().manual_seed(0)
    mean, deviation = x.mean(dim=(0, 2, 3)), x.std(dim=(0, 2, 3))
    normal = torch.randn(n, x.shape[1], side, side, generator=generator, dtype=torch.float64).to(x.dtype)
    return normal * deviation[:, None, None] + mean[:, None, None]


def own_field(module: nn.Module, x: Tensor, dilation: int) -> Tensor:
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
        module.forward = lambda x: x
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
