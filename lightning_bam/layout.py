"""Which memory format a network trains in."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

SAFE: Final = 16
"""Channels below which oneDNN's strided 1x1 convolution is not trusted in channels_last: an AVX-512 register of floats.

Seen with torch 2.14.1 (oneDNN 3.12) on AVX2: the backward pass of `nn.Conv2d(c, 2 * c, 1, stride=2)` in channels_last
writes past its buffer for c in 3 to 6 and not for c >= 8 (n = 15 shapes, under glibc's checking malloc).
"""


def memory_format(network: nn.Module) -> torch.memory_format:
    """Return channels_last, or the contiguous format where channels_last would corrupt memory (see `SAFE`)."""
    narrow = any(
        isinstance(module, nn.Conv2d)
        and max(module.stride) > 1
        and max(module.kernel_size) == 1
        and module.in_channels // module.groups < SAFE
        for module in network.modules()
    )
    return torch.contiguous_format if narrow else torch.channels_last
