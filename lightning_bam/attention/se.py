"""Squeeze-and-excitation (Hu, Shen, Sun, CVPR 2018, arXiv 1709.01507), torchvision's."""

import torch
from torch import Tensor
from torchvision.ops import SqueezeExcitation

from lightning_bam.attention.layers import hidden_channels
from lightning_bam.config import SESpec, construct


class SE(SqueezeExcitation):  # type: ignore[misc]
    """`Y = sigmoid(W2 relu(W1 GAP(X))) X` on X of shape `(N, C, H, W)`, with C // r hidden channels.

    ConfigError for a `reduction` r outside its range, and for fewer channels than it.
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        knobs: SESpec = construct(SESpec, {"reduction": reduction}, "SE")
        super().__init__(channels, hidden_channels(channels, knobs.reduction))

    def gate(self, x: Tensor) -> Tensor:
        """Return the factor `(N, C, 1, 1)`."""
        return torch.sigmoid(self.logits(x))

    def logits(self, x: Tensor) -> Tensor:
        """Return the map before the sigmoid, `(N, C, 1, 1)`."""
        logits: Tensor = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return logits
