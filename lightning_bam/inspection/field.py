"""How far one position of a spatial map sees: what it can see, and where its gradient really lies.

The effective receptive field is that of Luo, Li, Urtasun, Zemel (NeurIPS 2016, arXiv 1701.04128): the squared
gradient of one output position with respect to the input.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

SHARE: Final = 0.95
"""The share of the squared gradient that the effective field's square holds."""


@dataclass(frozen=True)
class FieldOfView:
    """What one output position can see along one axis, from the convs alone (stride 1, padded to keep the size).

    `side` is the length of the theoretical receptive field, `1 + sum of (k - 1) d`; `offsets` are the positions within
    it that are read at all, as dilation leaves gaps between them.
    """

    side: int
    offsets: tuple[int, ...]

    def read(self, height: int, width: int) -> int:
        """Return how many positions of a `(height, width)` map its centre reads."""
        rows = sum(0 <= height // 2 + offset < height for offset in self.offsets)
        return rows * sum(0 <= width // 2 + offset < width for offset in self.offsets)


def reach(branch: nn.Module, dilation: int | None = None) -> FieldOfView:
    """Return what the convs of `branch`, one after another, can see; those above 1x1 at `dilation` if given."""
    offsets, side = {0}, 1
    for conv in branch.modules():
        if isinstance(conv, nn.Conv2d) and (kernel := conv.kernel_size[0]) > 1:
            step = dilation or conv.dilation[0]
            side += (kernel - 1) * step
            offsets = {at + (tap - kernel // 2) * step for at in offsets for tap in range(kernel)}
    return FieldOfView(side, tuple(sorted(offsets)))


def redilated(branch: nn.Module, dilation: int) -> nn.Module:
    """Return a copy of `branch` with its own weights and its convs above 1x1 at `dilation`, padded by as much."""
    other = copy.deepcopy(branch)
    for conv in other.modules():
        if isinstance(conv, nn.Conv2d) and conv.kernel_size[0] > 1:
            conv.dilation, conv.padding = (dilation, dilation), (dilation * (conv.kernel_size[0] // 2),) * 2
    return other


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


def side_holding(field: Tensor, share: float = SHARE, centre: tuple[int, int] | None = None) -> int | None:
    """Return the side of the smallest square around `centre` that holds `share` of `field` `(h, w)`.

    The side is odd and counts positions beyond the border, if the square reaches there. None for a field of zeros.
    """
    rows, columns = _distances(field, centre)
    total = float(field.sum())
    if total == 0:
        return None
    within = torch.maximum(rows, columns)  # half the side of the square on whose border a position lies
    sums = torch.zeros(int(within.max()) + 1, dtype=field.dtype).index_add_(0, within.flatten(), field.flatten())
    return 2 * int((sums.cumsum(0) < share * total * (1 - 1e-12)).sum()) + 1


def rms_radius(field: Tensor, centre: tuple[int, int] | None = None) -> float | None:
    """Return the root mean square distance from `centre`, weighted by `field` `(h, w)`; None for zeros."""
    rows, columns = _distances(field, centre)
    total = float(field.sum())
    return math.sqrt(float((field * (rows.square() + columns.square())).sum()) / total) if total else None


def _distances(field: Tensor, centre: tuple[int, int] | None) -> tuple[Tensor, Tensor]:
    """Return how many rows and columns each position of `field` is away from `centre`, both `(h, w)`."""
    height, width = field.shape
    row, column = centre or (height // 2, width // 2)
    rows, columns = torch.meshgrid(torch.arange(height) - row, torch.arange(width) - column, indexing="ij")
    return rows.abs(), columns.abs()
