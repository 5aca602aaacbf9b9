"""Bottleneck Attention Module (Park, Woo, Lee, Kweon, BMVC 2018, arXiv 1807.06514)."""

from typing import Literal

import torch
from torch import Tensor, nn

from lightning_bam.attention.layers import BroadcastNorm, hidden_channels
from lightning_bam.config import BAMSpec, construct


class BAM(nn.Module):
    """Bottleneck attention: `Y = s(X) * X + X`, `s = sigmoid(s_c + s_s)`.

    With m = C // r hidden channels, on X of shape `(N, C, H, W)`:

        s_c = BN(W2 relu(W1 GAP(X)))                            (N, C, 1, 1)
        s_s = BN(conv1x1(dc3x3(dc3x3(conv1x1(X)))))             (N, 1, H, W)

    The defaults are the paper's equations with a ReLU between hidden layers; `norm="hidden"` and
    `combine="product"` together give the structure of the authors' released code.

    Args:
        channels: C of the input.
        reduction: r, by which hidden channels are fewer.
        dilation: d of the 3x3 convs; padding equals it, so the map keeps its size.
        combine: how the two maps meet before the sigmoid.
        branches: `both`, or one alone.
        norm: batch norm at the branches' `ends` (the equations), after each `hidden` layer (released code), or both;
            `maps` is `hidden` and a batch norm of C weights and biases on each of the two maps (see below).
        activation: between hidden layers; `none` is the equations to the letter.
        dilated_convs: number of dilated 3x3 convs.
        channel_layers: number of hidden layers in the channel branch.
        residual: `Y = s X + X`; else `Y = s X`.
        init: `torch` leaves torch's own; `kaiming` draws the spatial convs from N(0, 2 / fan_out), as the released
            training code does; `zero` starts both maps at 0, so that s = 1/2 everywhere.

    `norm="maps"` has 4C parameters more than `norm="hidden"`: the channel map is normalised over the batch, the spatial
    map as if it were broadcast to C channels first. 18 of the paper's 20 CIFAR counts follow from 4C more per module,
    9 from the released structure; that these 4C are laid out so is our reading, which neither paper nor code confirms.

    ConfigError for a knob outside its range, and for fewer channels than `reduction`. In `forward` torch refuses a
    training batch of one sample, of which the channel branch's norm has no variance.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        dilation: int = 4,
        combine: Literal["sum", "product", "max"] = "sum",
        branches: Literal["both", "channel", "spatial"] = "both",
        norm: Literal["ends", "hidden", "both", "maps"] = "ends",
        activation: Literal["relu", "none"] = "relu",
        dilated_convs: int = 2,
        channel_layers: int = 1,
        residual: bool = True,
        init: Literal["torch", "kaiming", "zero"] = "torch",
    ) -> None:
        super().__init__()
        knobs: BAMSpec = construct(
            BAMSpec,
            {
                "reduction": reduction,
                "dilation": dilation,
                "combine": combine,
                "branches": branches,
                "norm": norm,
                "activation": activation,
                "dilated_convs": dilated_convs,
                "channel_layers": channel_layers,
                "residual": residual,
                "init": init,
            },
            "BAM",
        )
        hidden = hidden_channels(channels, knobs.reduction)
        self.combine = knobs.combine
        self.residual = knobs.residual
        self.channel = channel_branch(channels, hidden, knobs) if knobs.branches != "spatial" else None
        self.spatial = spatial_branch(channels, hidden, knobs) if knobs.branches != "channel" else None
        if knobs.init == "kaiming":
            for layer in self.spatial or ():
                if isinstance(layer, nn.Conv2d):
                    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if knobs.init == "zero":
            for branch in filter(None, (self.channel, self.spatial)):
                for last in branch[-1].parameters():
                    nn.init.zeros_(last)

    def forward(self, x: Tensor) -> Tensor:
        """Refine `x` of shape `(N, C, H, W)`; the shape is kept."""
        gate = self.gate(x)
        return torch.addcmul(x, x, gate) if self.residual else x * gate

    def gate(self, x: Tensor) -> Tensor:
        """Return s, of a shape that broadcasts to `x`'s."""
        return torch.sigmoid(self.logits(x))

    def logits(self, x: Tensor) -> Tensor:
        """Return the map before the sigmoid, of a shape that broadcasts to `x`'s."""
        if self.channel is None:
            return self._spatial_map(x)
        if self.spatial is None:
            return self._channel_map(x)
        along_channels, along_space = self._channel_map(x), self._spatial_map(x)
        if self.combine == "sum":
            return along_channels + along_space
        if self.combine == "product":
            return along_channels * along_space
        return torch.maximum(along_channels, along_space)

    def _channel_map(self, x: Tensor) -> Tensor:
        assert self.channel is not None
        logits: Tensor = self.channel(x.mean(dim=(2, 3)))
        return logits[:, :, None, None]

    def _spatial_map(self, x: Tensor) -> Tensor:
        assert self.spatial is not None
        logits: Tensor = self.spatial(x)
        return logits


def channel_branch(channels: int, hidden: int, knobs: BAMSpec) -> nn.Sequential:
    """Build `(N, C) -> (N, C)`: `channel_layers` hidden layers of m, then back to C."""
    branch = nn.Sequential()
    width = channels
    for layer in range(knobs.channel_layers):
        branch.add_module(f"fc{layer}", nn.Linear(width, hidden))
        _between(branch, layer, nn.BatchNorm1d(hidden), knobs)
        width = hidden
    branch.add_module("fc_out", nn.Linear(width, channels))
    if knobs.norm != "hidden":
        branch.add_module("norm_out", nn.BatchNorm1d(channels))
    return branch


def spatial_branch(channels: int, hidden: int, knobs: BAMSpec) -> nn.Sequential:
    """Build `(N, C, H, W) -> (N, 1, H, W)`: reduce to m, `dilated_convs` dilated 3x3 convs, one channel.

    With `norm="maps"` the output is `(N, C, H, W)`: one map, scaled and shifted for each channel.
    """
    branch = nn.Sequential()
    branch.add_module("conv0", nn.Conv2d(channels, hidden, 1))
    _between(branch, 0, nn.BatchNorm2d(hidden), knobs)
    for layer in range(1, knobs.dilated_convs + 1):
        conv = nn.Conv2d(hidden, hidden, 3, padding=knobs.dilation, dilation=knobs.dilation)
        branch.add_module(f"conv{layer}", conv)
        _between(branch, layer, nn.BatchNorm2d(hidden), knobs)
    branch.add_module("conv_out", nn.Conv2d(hidden, 1, 1))
    if knobs.norm != "hidden":
        branch.add_module("norm_out", BroadcastNorm(channels) if knobs.norm == "maps" else nn.BatchNorm2d(1))
    return branch


def _between(branch: nn.Sequential, layer: int, norm: nn.Module, knobs: BAMSpec) -> None:
    if knobs.norm != "ends":
        branch.add_module(f"norm{layer}", norm)
    if knobs.activation == "relu":
        branch.add_module(f"relu{layer}", nn.ReLU(inplace=True))
