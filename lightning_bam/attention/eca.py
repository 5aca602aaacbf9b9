"""Efficient channel attention (Wang, Wu, Zhu, Li, Zuo, Hu, CVPR 2020, arXiv 1910.03151)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_bam.config import ECASpec, construct


class ECA(nn.Module):
    """`Y = sigmoid(s) X` on X of shape `(N, C, H, W)`, s a conv along the channels of their means, with zeros outside:

        s_c = sum_j w_j GAP(X)_{c + j},   j = -(k - 1) / 2 .. (k - 1) / 2

    Args:
        channels: C of the input.
        k_size: k, odd; 0 is the paper's `|(log2 C + 1) / 2|_odd`, the nearest odd number (the upper of two).
        shared: one w for all channels, k parameters; else one for each (the paper's ECA-NS), k C.

    The paper prints 80 parameters for ResNet50. Its function gives k = 5, 5, 5, 7 by stage and 86; the released weights
    have 3, 5, 5, 7. ConfigError for a knob outside its range.
    """

    def __init__(self, channels: int, *, k_size: int = 0, shared: bool = True) -> None:
        super().__init__()
        knobs: ECASpec = construct(ECASpec, {"k_size": k_size, "shared": shared}, "ECA")
        self.k_size = knobs.k_size or nearest_odd((math.log2(channels) + 1) / 2)
        self.shared = knobs.shared
        groups = 1 if knobs.shared else channels
        self.conv = nn.Conv1d(groups, groups, self.k_size, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Refine `x` of shape `(N, C, H, W)`; the shape is kept."""
        return x * self.gate(x)

    def gate(self, x: Tensor) -> Tensor:
        """Return the factor `(N, C, 1, 1)`."""
        return torch.sigmoid(self.logits(x))

    def logits(self, x: Tensor) -> Tensor:
        """Return the map before the sigmoid, `(N, C, 1, 1)`."""
        means = F.pad(x.mean(dim=(2, 3)), (self.k_size // 2, self.k_size // 2))
        along: Tensor = self.conv(means[:, None] if self.shared else means.unfold(1, self.k_size, 1))
        return along.flatten(1)[:, :, None, None]


def nearest_odd(value: float) -> int:
    """Return the odd number nearest to a positive `value`, the upper one where two are."""
    return 2 * (int(value) // 2) + 1
