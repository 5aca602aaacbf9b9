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
        along_channels = self.channel(x.mean(dim=(2, 3))) + self.channel(x.amax(dim=(2, 3)))
        x = x * torch.sigmoid(along_channels)[:, :, None, None]
        along_space = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.norm(self.spatial(along_space)))
