"""Collective calls outside of training steps; in a process that is alone they return what they get."""

import json
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def gather(tensor: Tensor) -> Tensor:
    """Return every rank's `tensor` of one shape, stacked in order of rank `(world, *shape)`."""
    if not dist.is_initialized():
        return tensor[None]
    parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, tensor)
    return torch.stack(parts)


def maximum(number: int, device: torch.device) -> int:
    """Return the largest of the ranks' numbers."""
    if not dist.is_initialized():
        return number
    value = torch.tensor(number, device=device)
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return int(value)


def copy_first(tensors: Iterable[Tensor]) -> None:
    """Make every rank's `tensors` what the first rank's are, in place."""
    for tensor in tensors if dist.is_initialized() else ():
        dist.broadcast(tensor, 0)


def broadcast(data: Any, rank: int, device: torch.device) -> Any:
    """Return a rank's `data`, which JSON can hold."""
    if not dist.is_initialized():
        return data
    text = torch.tensor(list(json.dumps(data).encode()), dtype=torch.uint8, device=device)
    size = torch.tensor(len(text), device=device)
    dist.broadcast(size, rank)
    text = text if dist.get_rank() == rank else torch.empty(int(size), dtype=torch.uint8, device=device)
    dist.broadcast(text, rank)
    return json.loads(bytes(text.tolist()))
