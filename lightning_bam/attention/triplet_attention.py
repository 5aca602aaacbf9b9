"""Triplet attention (Misra, Nalamada, Arasanipalai, Hou, WACV 2021, arXiv 2010.03045)."""

from typing import Literal

import torch
from torch import Tensor, nn

from lightning_bam.config import TripletAttentionSpec, construct


class TripletAttention(nn.Module):
    """`Y = (g_cw + g_hc + g_hw) / 3 X` on X of shape `(N, C, H, W)`, one gate for each pair of its dimensions:

        g_d = sigmoid(BN(conv_kxk([max_d X; mean_d X])))    d the dimension that the pair leaves out

    Args:
        channels: C of the input; the gates do not depend on it.
        kernel_size: k, odd.
        branches: `both` kinds, the mean of three gates; `channel` alone, the mean of the two that hold the channels
            (the released code's `no_spatial`); `spatial` alone, g_hw.

    The batch norms have momentum 0.01, as in the released code; the paper does not say. ConfigError for a knob outside
    its range.
    """

    def __init__(
        self,
        channels: int,  # noqa: ARG002
        *,
        kernel_size: int = 7,
        branches: Literal["both", "channel", "spatial"] = "both",
    ) -> None:
        super().__init__()
        knobs: TripletAttentionSpec = construct(
            TripletAttentionSpec, {"kernel_size": kernel_size, "branches": branches}, "TripletAttention"
        )
        self.cw = plane(knobs.kernel_size) if knobs.branches != "spatial" else None
        self.hc = plane(knobs.kernel_size) if knobs.branches != "spatial" else None
        self.hw = plane(knobs.kernel_size) if knobs.branches != "channel" else None

    def forward(self, x: Tensor) -> Tensor:
        """Refine `x` of shape `(N, C, H, W)`; the shape is kept."""
        return x * self.gate(x)

    def gate(self, x: Tensor) -> Tensor:
        """Return the factor, of a shape that broadcasts to `x`'s: the mean of the gates that there are."""
        gates = []
        if self.cw is not None:
            gates.append(torch.sigmoid(self.cw(ends(x, 2))).transpose(1, 2))  # (N, 1, C, W) -> (N, C, 1, W)
        if self.hc is not None:
            gates.append(torch.sigmoid(self.hc(ends(x, 3).transpose(2, 3))).permute(0, 3, 2, 1))  # -> (N, C, H, 1)
        if self.hw is not None:
            gates.append(torch.sigmoid(self.hw(ends(x, 1))))
        gate = gates[0]
        for other in gates[1:]:
            gate = gate + other
        return gate / len(gates)


def ends(x: Tensor, dim: int) -> Tensor:
    """Return the maximum and the mean of `x` `(N, C, H, W)` over `dim`, `(N, 2, ...)`: the paper's Z-pool."""
    return torch.stack([x.amax(dim=dim), x.mean(dim=dim)], dim=1)


def plane(kernel_size: int) -> nn.Sequential:
    """Build `(N, 2, A, B) -> (N, 1, A, B)`, the logits of one pair of dimensions."""
    conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(1, momentum=0.01))
