"""What ranks tell each other outside of training steps."""

from __future__ import annotations

import json
from typing import Any

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


def told_by(rank: int, thing: Any, device: torch.device) -> Any:
    """Return a rank's `thing`, which JSON can hold, on every rank (a collective call)."""
    if not dist.is_initialized():
        return thing
    text = torch.tensor(list(json.dumps(thing).encode()), dtype=torch.uint8, device=device)
    size = torch.tensor(len(text), device=device)
    dist.broadcast(size, rank)
    text = text if dist.get_rank() == rank else torch.empty(int(size), dtype=torch.uint8, device=device)
    dist.broadcast(text, rank)
    return json.loads(bytes(text.tolist()))
