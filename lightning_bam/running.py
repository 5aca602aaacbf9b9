"""The mean loss of an epoch under way, over steps and ranks; a checkpoint in the middle of the epoch holds it."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_bam.collective import gathered


class RunningLoss:
    """A sum of losses on the device, and how many.

    No buffers of a module: DDP would overwrite every rank's sum with the first rank's.
    """

    def __init__(self) -> None:
        self.sum = torch.zeros((), dtype=torch.float64)
        self.steps = 0

    def begin(self, device: torch.device) -> None:
        """Begin an epoch."""
        self.sum = torch.zeros((), dtype=torch.float64, device=device)
        self.steps = 0

    def add(self, loss: Tensor) -> None:
        """Add one step's loss, a scalar."""
        self.sum += loss.detach()
        self.steps += 1

    def mean(self) -> float:
        """Return the mean over the steps and over the ranks (a collective call)."""
        return float(gathered(self.sum / self.steps).mean())

    def state(self) -> Tensor:
        """Return every rank's sum and number of steps `(world, 2)` float64 (a collective call)."""
        steps = torch.tensor(self.steps, dtype=torch.float64, device=self.sum.device)
        return gathered(torch.stack((self.sum, steps))).cpu()

    def restore(self, state: Tensor, rank: int, world: int, device: torch.device) -> None:
        """Go on from `state`; where there were more or fewer ranks, from the mean of their sums."""
        mine = state[rank] if len(state) == world else state.mean(0)
        self.sum, self.steps = mine[0].clone().to(device), round(float(mine[1]))
