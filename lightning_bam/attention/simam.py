"""SimAM, attention without parameters (Yang, Zhang, Li, Xie, ICML 2021)."""

import torch
from torch import Tensor, nn

from lightning_bam.config import SimAMSpec, construct


class SimAM(nn.Module):
    """`Y = sigmoid(1 / e) X` on X of shape `(N, C, H, W)`, e the least energy of each neuron of a map of M = H W:

        1 / e = (X - mean)^2 / (4 (variance + lambda)) + 1 / 2,   mean and variance over a channel's map

    `e_lambda` is lambda. The variance is the paper's, `1 / M sum (X - mean)^2`; `unbiased` divides by M - 1, as the
    paper's listing and the released code do (on a map of one position by 1, where the code divides 0 by 0).
    ConfigError for a knob outside its range.
    """

    def __init__(self, channels: int, *, e_lambda: float = 1e-4, unbiased: bool = False) -> None:  # noqa: ARG002
        super().__init__()
        knobs: SimAMSpec = construct(SimAMSpec, {"e_lambda": e_lambda, "unbiased": unbiased}, "SimAM")
        self.e_lambda = knobs.e_lambda
        self.unbiased = knobs.unbiased

    def forward(self, x: Tensor) -> Tensor:
        """Refine `x` of shape `(N, C, H, W)`; the shape is kept."""
        return x * self.gate(x)

    def gate(self, x: Tensor) -> Tensor:
        """Return the factor `(N, C, H, W)`."""
        return torch.sigmoid(self.logits(x))

    def logits(self, x: Tensor) -> Tensor:
        """Return the map before the sigmoid, `(N, C, H, W)`."""
        squares = (x - x.mean(dim=(2, 3), keepdim=True)).square()
        n = x.shape[2] * x.shape[3]
        if self.unbiased:
            n = n - 1 + 1 // n  # 1 where n is 1, without max(), which torch.fx does not trace
        variance = squares.sum(dim=(2, 3), keepdim=True) / n
        return squares / (4 * (variance + self.e_lambda)) + 0.5
