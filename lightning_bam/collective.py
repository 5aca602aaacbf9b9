"""What ranks tell each other outside of training steps."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def gathered(tensor: Tensor) -> Tensor:
    """Return every rank's `tensor` of one shape, stacked in order of rank `(world, *shape)` (a collective call)."""
    if not dist.is_initialized():
        return tensor[None]
    parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, tensor)
    return torch.stack(parts)


def largest(number: int, device: torch.device) -> int:
    """Return the largest of the ranks' numbers, on every rank (a collective call)."""
    if not dist.is_initialized():
        return number
    told = torch.tensor(number, device=device)
    dist.all_reduce(told, dist.ReduceOp.MAX)
    return int(told)
