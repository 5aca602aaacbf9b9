"""Random crop and flip of a whole batch at once, on any device, and normalisation."""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(images: Tensor, offsets: Tensor, flips: Tensor | None, padding: int) -> Tensor:
    """Crop each image out of its zero-padded self, then mirror some; as torchvision's RandomCrop and flip do.

    Images are `(N, C, H, W)` uint8, `offsets` `(N, 2)` in `[0, 2 padding]` row and column of each crop's corner in the
    padded image, `flips` `(N,)` bool says which to mirror (None: none), `padding` is in pixels on each side.
    """
    height, width = images.shape[2:]
    if padding:
        windows = F.pad(images, (padding,) * 4).unfold(2, height, 1).unfold(3, width, 1)
        images = windows[torch.arange(len(images), device=images.device), :, offsets[:, 0], offsets[:, 1]]
    if flips is not None:
        images = torch.where(flips[:, None, None, None], images.flip(3), images)
    return images


IGNORED: Final = -100
"""The class of what was padded around a map of labels: no loss of torch counts it."""


def augment_labels(labels: Tensor, offsets: Tensor, flips: Tensor | None, padding: int) -> Tensor:
    """Crop and mirror maps of labels `(N, H, W)` int64 as `augment` does their images; labels of images stay."""
    if labels.dim() == 1:
        return labels
    return augment(labels[:, None] - IGNORED, offsets, flips, padding)[:, 0] + IGNORED


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return `(x / 255 - mean) / std` of `(N, C, H, W)` uint8 as float32; `mean` and `std` `(C,)` in units of 0..1."""
    scale, shift = (1 / (255 * std))[:, None, None], (mean / std)[:, None, None]
    return images.float().mul_(scale).sub_(shift)
