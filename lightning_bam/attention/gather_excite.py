"""Gather-excite (Hu, Shen, Albanie, Sun, Vedaldi, NeurIPS 2018, arXiv 1810.12348)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_bam.attention.layers import hidden_channels
from lightning_bam.config import GatherExciteSpec, construct


class GatherExcite(nn.Module):
    """`Y = sigmoid(interpolate(gather(X))) X` on X of shape `(N, C, H, W)`, each channel by itself.

    The defaults are GE-θ⁻: the mean of the whole map, without parameters.

    Args:
        channels: C of the input.
        extent: e, 2, 4, 8 ...: what is gathered is every e-th position, from its (2e - 1)^2 neighbours, and `Y` takes
            the nearest; 0 is the whole map.
        gather: their `mean`, of those inside the map (GE-θ⁻), or by `conv`: log2 e depthwise 3x3 convs of stride 2,
            each with a batch norm, a ReLU between (GE-θ).
        mlp: `W2 relu(W1 .)` on what is gathered, with C // r hidden channels (with `conv` GE-θ⁺, where a ReLU comes
            before it, as in the released models; with the mean of the whole map SE).
        reduction: r of the `mlp`.

    A conv over the whole map (the paper's global GE-θ) is not offered: it needs the size of the map. ConfigError for
    a knob outside its range, for `conv` with extent 0, and with `mlp` for fewer channels than `reduction`.
    """

    def __init__(
        self,
        channels: int,
        *,
        extent: int = 0,
        gather: Literal["mean", "conv"] = "mean",
        mlp: bool = False,
        reduction: int = 16,
    ) -> None:
        super().__init__()
        arguments = {"extent": extent, "gather": gather, "mlp": mlp, "reduction": reduction}
        knobs: GatherExciteSpec = construct(GatherExciteSpec, arguments, "GatherExcite")
        self.extent = knobs.extent
        self.convs = strided(channels, knobs.extent) if knobs.gather == "conv" else None
        self.mlp = nn.Sequential()
        if knobs.mlp:
            hidden = hidden_channels(channels, knobs.reduction)
            if knobs.gather == "conv":
                self.mlp.add_module("relu", nn.ReLU(inplace=True))
            self.mlp.add_module("down", nn.Conv2d(channels, hidden, 1))
            self.mlp.add_module("relu_down", nn.ReLU(inplace=True))
            self.mlp.add_module("up", nn.Conv2d(hidden, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Refine `x` of shape `(N, C, H, W)`; the shape is kept."""
        return x * self.gate(x)

    def gate(self, x: Tensor) -> Tensor:
        """Return the factor `(N, C, H, W)`, or `(N, C, 1, 1)` of the whole map."""
        return torch.sigmoid(self.logits(x))

    def logits(self, x: Tensor) -> Tensor:
        """Return the map before the sigmoid, `(N, C, H, W)`, or `(N, C, 1, 1)` of the whole map."""
        if self.extent == 0:
            whole: Tensor = self.mlp(x.mean(dim=(2, 3), keepdim=True))
            return whole
        if self.convs is not None:
            gathered = self.convs(x)
        else:
            side = 2 * self.extent - 1
            gathered = F.avg_pool2d(x, side, self.extent, side // 2, count_include_pad=False)
        return F.interpolate(self.mlp(gathered), size=x.shape[2:])


def strided(channels: int, extent: int) -> nn.Sequential:
    """Build `(N, C, H, W) -> (N, C, H / extent, W / extent)`, rounded up, of depthwise convs of stride 2."""
    layers = nn.Sequential()
    for layer in range(extent.bit_length() - 1):
        if layer:
            layers.add_module(f"relu{layer - 1}", nn.ReLU(inplace=True))
        conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels, bias=False)
        layers.add_module(f"conv{layer}", conv)
        layers.add_module(f"norm{layer}", nn.BatchNorm2d(channels))
    return layers
