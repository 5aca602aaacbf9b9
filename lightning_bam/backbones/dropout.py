"""Dropout whose draws do not depend on the number of ranks."""

from __future__ import annotations

import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


class SharedDropout(nn.Dropout):
    """Dropout that draws for the global batch and takes this rank's share, `(n, ...)` of `(n * world, ...)`.

    Ranks whose generators are in one state so drop what one rank with the whole batch would: a sample's mask depends on
    its position in the global batch. Every rank must bring as many samples, in order of rank.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop entries of `x` in training, and scale the others by `1 / (1 - p)`."""
        if not self.training:
            return x
        rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        share = len(x)
        whole = F.dropout(x.new_ones(world * share, *x.shape[1:]), self.p)
        return x * whole[rank * share : (rank + 1) * share]
