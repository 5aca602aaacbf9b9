"""The order of images and their augmentation: a pure function of seed and epoch, whatever the ranks or a resume."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from lightning_bam.data.draws import Words, permutation, words

ORDER: Final = 0
DRAWS: Final = 1
CROPS: Final = 3
"""First words of the keys, so that no two streams are one."""
TRIES: Final = 10
"""How often a crop of random size is drawn until one fits into its image."""


def epoch_order(n: int, seed: int, epoch: int) -> Tensor:
    """Return the order `(n,)` int64 in which `n` training images are seen in `epoch`, counted from 0."""
    return torch.from_numpy(permutation(n, ORDER, seed, epoch))


def augmentation_draws(count: int, padding: int, seed: int, epoch: int, batch: int) -> tuple[Tensor, Tensor]:
    """Return crop offsets `(count, 2)` int64 in `[0, 2 padding]`, row first, and flips `(count,)` of a batch."""
    draws = words(3 * count, DRAWS, seed, epoch, batch).reshape(3, count)
    offsets = torch.from_numpy((draws[:2] % (2 * padding + 1)).astype("int64")).T.contiguous()
    return offsets, torch.from_numpy(draws[2] >= 2**63)


def crop_draws(count: int, seed: int, epoch: int, batch: int) -> Words:
    """Return the words `(count, 2 TRIES + 2)` that choose the crops of random size in batch number `batch`."""
    return words(count * (2 * TRIES + 2), CROPS, seed, epoch, batch).reshape(count, -1)


@dataclass(frozen=True)
class Batch:
    """One rank's share of a global batch, on the CPU: indices `(b,)`, crop offsets `(b, 2)`, flips `(b,)`, crops.

    `number` is the global batch's in its epoch.
    """

    indices: Tensor
    offsets: Tensor
    flips: Tensor
    crops: Words | None = None
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class Batches:
    """One rank's batches of one epoch, from batch `start`; an incomplete last batch is dropped.

    Global batch `k` is entries `k B .. (k + 1) B - 1` of the epoch's order; rank `r` of `W` takes the contiguous
    share `r B / W .. (r + 1) B / W - 1` of it. Draws are made for the global batch, so that what is trained on
    does not depend on the number of ranks. `padding` is that of crops in pixels, `crops` draws random sizes, too.
    With `before`, a share begins with one entry more, that before it in its global batch (before the first: the last).
    """

    n: int
    batch_size: int
    padding: int
    seed: int
    epoch: int
    rank: int = 0
    world_size: int = 1
    crops: bool = False
    before: bool = False
    start: int = 0

    def __len__(self) -> int:
        """Return the number of whole batches from the first one to the end of the epoch."""
        return self.n // self.batch_size - self.start

    def __iter__(self) -> Iterator[Batch]:
        """Yield this rank's share of each global batch."""
        order = epoch_order(self.n, self.seed, self.epoch)
        share = self.batch_size // self.world_size
        mine = torch.arange(self.rank * share - self.before, (self.rank + 1) * share) % self.batch_size
        for batch in range(self.start, self.n // self.batch_size):
            indices = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            offsets, flips = augmentation_draws(self.batch_size, self.padding, self.seed, self.epoch, batch)
            crops = crop_draws(self.batch_size, self.seed, self.epoch, batch)[mine.numpy()] if self.crops else None
            yield Batch(indices[mine], offsets[mine], flips[mine], crops, batch)
