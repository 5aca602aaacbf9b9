"""Convolutional Block Attention Module (Woo, Park, Lee, Kweon, ECCV 2018, arXiv 1807.06521)."""

import torch
from torch import Tensor, nn

from lightning_bam.attention.layers import hidden_channels
from lightning_bam.config import CBAMSpec, construct


class CBAM(nn.Module):
    """Channel gate, then spatial gate, on X of shape `(N, C, H, W)`:

        M_c = sigmoid(MLP(mean_hw X) + MLP(max_hw X)),   MLP = W1 relu(W0 .), C // r hidden, r the reduction
        M_s = sigmoid(conv_kxk([mean_c X'; max_c X'])),  X' = M_c X,  k the kernel_size, odd
        Y   = M_s X'

    `spatial_norm` is a batch norm of the spatial map before its sigmoid, with momentum 0.01, as the authors' released
    code has it and the paper's equations have not: two parameters more. ConfigError for a knob outside its range, and
    for fewer channels than `reduction`.
    """

    def __init__(self, channels: int, *, reduction: int = 16, kernel_size: int = 7, spatial_norm: bool = False) -> None:
        super().__init__()
        knobs: CBAMSpec = construct(
            CBAMSpec, {"reduction": reduction, "kernel_size": kernel_size, "spatial_norm": spatial_norm}, "CBAM"
        )
        hidden = hidden_channels(channels, knobs.reduction)
        self.channel = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels))
        self.spatial = nn.Conv2d(2, 1, knobs.kernel_size, padding=knobs.kernel_size // 2, bias=False)
        self.norm = nn.BatchNorm2d(1, momentum=0.01) if knobs.spatial_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Refine `x` of shape `(N, C, H, W)`; the shape is kept."""
        x = x * torch.sigmoid(self.channel_logits(x))
        return x * torch.sigmoid(self.spatial_logits(x))

    def gate(self, x: Tensor) -> Tensor:
        """Return the factor `M_c M_s`, `(N, C, H, W)`."""
        along_channels = torch.sigmoid(self.channel_logits(x))
        return along_channels * torch.sigmoid(self.spatial_logits(x * along_channels))

    def channel_logits(self, x: Tensor) -> Tensor:
        """Return the channel gate's map before its sigmoid, `(N, C, 1, 1)`."""
        logits: Tensor = self.channel(x.mean(dim=(2, 3))) + self.channel(x.amax(dim=(2, 3)))
        return logits[:, :, None, None]

    def spatial_logits(self, x: Tensor) -> Tensor:
        """Return the spatial gate's map before its sigmoid, `(N, 1, H, W)`, of `X'`, which has passed the channels'."""
        logits: Tensor = self.norm(self.spatial(described(x)))
        return logits


def described(x: Tensor) -> Tensor:
    """Return the two-channel description `(N, 2, H, W)` of `x` `(N, C, H, W)`: mean and maximum over channels."""
    return torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
