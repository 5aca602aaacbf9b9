"""Coordinate attention (Hou, Zhou, Feng, CVPR 2021, arXiv 2103.02907)."""

import torch
from torch import Tensor, nn

from lightning_bam.attention.layers import hidden_channels
from lightning_bam.config import CoordinateAttentionSpec, construct


class CoordinateAttention(nn.Module):
    """`Y = g_h g_w X` on X of shape `(N, C, H, W)`, one gate for the rows and one for the columns of each channel:

        f   = h_swish(BN(W1 [mean_w X; mean_h X]))    (N, m, H + W)
        g_h = sigmoid(W_h f[:H]),  g_w = sigmoid(W_w f[H:])    (N, C, H, 1) and (N, C, 1, W)

    Args:
        channels: C of the input.
        reduction: r, by which the m hidden channels are fewer.
        min_hidden: m is C // r and at least this. 0 is the paper's text, and then fewer channels than r are an error;
            8 is the released code, and the count that the paper prints: MobileNetV2 with 3.95M (3.94M without).
        hidden_norm: the batch norm, in the paper's figure and the released code, not in its equations.

    The paper leaves the nonlinearity open; the released code has h-swish. ConfigError for a knob outside its range.
    """

    def __init__(self, channels: int, *, reduction: int = 32, min_hidden: int = 8, hidden_norm: bool = True) -> None:
        super().__init__()
        arguments = {"reduction": reduction, "min_hidden": min_hidden, "hidden_norm": hidden_norm}
        knobs: CoordinateAttentionSpec = construct(CoordinateAttentionSpec, arguments, "CoordinateAttention")
        least = knobs.min_hidden
        hidden = max(least, channels // knobs.reduction) if least else hidden_channels(channels, knobs.reduction)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.norm = nn.BatchNorm2d(hidden) if knobs.hidden_norm else nn.Identity()
        self.activation = nn.Hardswish()
        self.rows = nn.Conv2d(hidden, channels, 1)
        self.columns = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Refine `x` of shape `(N, C, H, W)`; the shape is kept."""
        return x * self.gate(x)

    def gate(self, x: Tensor) -> Tensor:
        """Return the factor `(N, C, H, W)`."""
        height, width = x.shape[2], x.shape[3]
        means = torch.cat([x.mean(dim=3), x.mean(dim=2)], dim=2)[:, :, :, None]
        hidden = self.activation(self.norm(self.reduce(means)))
        rows, columns = torch.split(hidden, [height, width], dim=2)
        return torch.sigmoid(self.rows(rows)) * torch.sigmoid(self.columns(columns)).transpose(2, 3)
