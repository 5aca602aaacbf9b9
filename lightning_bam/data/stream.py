"""Batches decoded from files while the network trains, by worker processes; the same whatever their number."""

import os
import signal
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lightning_bam.config import ConfigError
from lightning_bam.cores import cores
from lightning_bam.data.draws import Ints, Words
from lightning_bam.data.image_files import ImageFiles, Listing
from lightning_bam.data.image_reader import read_image
from lightning_bam.data.order import Batches
from lightning_bam.data.views import View
from lightning_bam.signals import SIGNALS

STREAMED_BATCH: Final = 100
"""Most images in a batch of a streamed scored set; such images are large."""
MOST_WORKERS: Final = 16
"""Worker processes a rank, unless told otherwise."""

Request = tuple[Ints, Words | None]
"""Which images of a listing make a batch, and the words that choose their crops."""


def worker_count() -> int:
    """Return how many processes decode images for this rank: `$BAM_WORKERS`, else its share of the cores but one.

    `$BAM_RANKS_HERE` is how many ranks share this host's cores; 0 decodes in the training process.
    """
    text = os.environ.get("BAM_WORKERS")
    if not text:
        ranks = max(int(os.environ.get(name, "1")) for name in ("LOCAL_WORLD_SIZE", "BAM_RANKS_HERE"))
        return min(MOST_WORKERS, max(0, cores() // ranks - 1))
    if not text.isdecimal():
        raise ConfigError(f"BAM_WORKERS={text}: must be a whole number of worker processes per rank, 0 or more")
    return int(text)


class Decoder(Dataset[Tensor | str]):
    """Makes whole batches of a listing's images, of the view that is trained on or of the one that is scored."""

    def __init__(self, files: Listing, view: View, *, training: bool) -> None:
        self.files, self.view, self.training = files, view, training

    def __getitem__(self, request: Request) -> Tensor | str:
        """Return images `(b, 3, H, W)` uint8, or what is wrong: an exception would reach the trainer as a traceback."""
        indices, crops = request
        pixels = np.empty((len(indices), *self.view.size, 3), np.uint8)
        for place, index in enumerate(indices):
            try:
                image = read_image(self.files.path(int(index)))
            except ConfigError as error:
                return str(error)
            words = None if crops is None else crops[place]
            pixels[place] = np.array(self.view.train(image, words) if self.training else self.view.scored(image))
        return torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())


def _ignore_signals(_worker: int) -> None:
    """Leave signals to the rank, which ends its workers: a whole process group is told, and it needs one more batch."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Stream:
    """`ImageFiles` for a rank: its share of each batch is decoded by `workers` processes, or this one for 0.

    Scored images are shared out between the ranks. An image that cannot be read raises a ConfigError.
    """

    def __init__(self, files: ImageFiles, device: torch.device, workers: int) -> None:
        self.files, self.device, self.workers = files, device, workers
        self.mean, self.std = files.mean.to(device), files.std.to(device)

    def train(self, plan: Batches) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each batch of the plan: the view that is trained on."""
        decoder = Decoder(self.files.train, self.files.view, training=True)
        requests = ((batch.indices.numpy(), batch.crops) for batch in plan)
        for batch, images in zip(plan, self._decoded(decoder, requests, len(plan)), strict=True):
            yield images, self.files.train.labels[batch.indices].to(self.device)

    def scored(self, rank: int, world_size: int) -> list[Tensor]:
        """Return this rank's share in batches of at most 100: as many for each rank, since DDP counts them."""
        shares = torch.arange(len(self.files.test)).tensor_split(world_size)
        return list(shares[rank].tensor_split(-(-len(shares[0]) // STREAMED_BATCH)))

    def score(self, batches: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each batch: the view that is scored."""
        decoder = Decoder(self.files.test, self.files.view, training=False)
        requests = ((indices.numpy(), None) for indices in batches)
        for indices, images in zip(batches, self._decoded(decoder, requests, len(batches)), strict=True):
            yield images, self.files.test.labels[indices].to(self.device)

    def _decoded(self, decoder: Decoder, requests: Iterable[Request], count: int) -> Iterator[Tensor]:
        cuda = self.device.type == "cuda"
        loader: Any = DataLoader(
            decoder,
            batch_size=None,  # the decoder makes whole batches
            sampler=requests,
            num_workers=self.workers,
            # forked, so that they die with this process and in its group; they touch neither CUDA nor threads
            multiprocessing_context="fork" if self.workers else None,
            worker_init_fn=_ignore_signals,
            pin_memory=cuda,
            generator=torch.Generator(),  # else each epoch would draw from the generator that dropout uses
        )
        batches = iter(loader)
        for number in range(count):
            images = next(batches)
            if number == count - 1:
                del batches  # ends the workers before the trainer goes on to something else
            if isinstance(images, str):
                raise ConfigError(images)
            yield images.to(self.device, non_blocking=cuda)
