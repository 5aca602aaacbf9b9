"""Small parts of attention modules."""

import torch
from torch import Tensor, nn

from lightning_bam.config import ConfigError


def hidden_channels(channels: int, reduction: int) -> int:
    """Return m = C // r; ConfigError where C < r, which would leave no hidden channel."""
    if channels < reduction:
        raise ConfigError(
            f"reduction={reduction}: {channels} channels are fewer than that and leave no hidden channel; "
            f"use a reduction of at most {channels}"
        )
    return channels // reduction


class BroadcastNorm(nn.Module):
    """`nn.BatchNorm2d(channels)` of a map that is the same in every channel: `(N, 1, H, W) -> (N, channels, H, W)`.

    Every channel has the same statistics, so they are taken once, of the one-channel map; weight and bias are each
    channel's own. Starts as `nn.BatchNorm2d` does: weight 1, bias 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, affine=False)  # a child, so that SyncBatchNorm can take its place
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a map `(N, 1, H, W)` and give each channel its scale and shift."""
        return torch.addcmul(self.bias[:, None, None], self.norm(x), self.weight[:, None, None])
