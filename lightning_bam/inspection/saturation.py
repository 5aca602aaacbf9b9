"""How much of a gate stands still: the share of its values so close to 0 or 1 that the sigmoid's slope is gone."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

from lightning_bam.inspection.attended import attention_modules, module_inputs
from lightning_bam.inspection.maps import maps

LOW: Final = 0.05
HIGH: Final = 0.95
"""A gate value below LOW or above HIGH counts as saturated; there the sigmoid's slope is below 0.0475, of 0.25 at 0."""

BINS: Final = 10_000
"""Bins of the histogram between 0 and 1 from which quantiles are read, so to within 0.0001."""

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)

BATCH: Final = 64
"""Images that pass the network together."""


class Saturation:
    """Counts gate values between 0 and 1, however many and in any batches."""

    def __init__(self) -> None:
        self.counts = torch.zeros(BINS, dtype=torch.int64)
        self.low = self.high = self.n = 0
        self.sum = self.squares = 0.0

    def add(self, gate: Tensor) -> None:
        """Count the values of `gate`, of any shape."""
        values = gate.detach().double().flatten()
        self.low += int((values < LOW).sum())
        self.high += int((values > HIGH).sum())
        self.n += values.numel()
        self.sum += float(values.sum())
        self.squares += float(values.square().sum())
        self.counts += torch.bincount((values * BINS).long().clamp(0, BINS - 1), minlength=BINS)

    def quantile(self, share: float) -> float:
        """Return the middle of the bin below whose end at least `share` of the values lie."""
        reached = self.counts.cumsum(0) >= share * self.n
        return (int(reached.int().argmax()) + 0.5) / BINS

    def numbers(self) -> dict[str, Any]:
        """Return n, the saturated shares, mean, sd (of all values, not of images) and quantiles."""
        mean = self.sum / self.n
        return {
            "n_values": self.n,
            "low": self.low / self.n,
            "high": self.high / self.n,
            "saturated": (self.low + self.high) / self.n,
            "mean": mean,
            "sd": max(0.0, self.squares / self.n - mean * mean) ** 0.5,
            "quantiles": {str(share): self.quantile(share) for share in QUANTILES},
        }

    def histogram(self, bins: int) -> Tensor:
        """Return the shares of the values in `bins` equal bins (a divisor of 10,000) between 0 and 1."""
        return self.counts.view(bins, -1).sum(dim=1).double() / self.n


def saturation(network: nn.Module, images: Tensor, *, batch_statistics: bool) -> dict[str, Saturation]:
    """Count the gate of every attention module over normalised `images` `(N, C, H, W)`.

    Args:
        network: in any mode; mode and buffers are given back as they were.
        images: at least 2 if with batch statistics.
        batch_statistics: norms use their batch of at most `BATCH` images, as in the first training step, which is
            the only sensible way with untrained weights, whose running statistics are still 0 and 1.

    """
    modes = {layer: layer.training for layer in network.modules()}
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    counted = {name: Saturation() for name in attention_modules(network)}
    try:
        network.train(batch_statistics)
        with torch.no_grad():
            for batch in _batches(images):
                inputs, _ = module_inputs(network, batch)
                for name, module in attention_modules(network).items():
                    gate = maps(module, inputs[name]).gate
                    counted[name].add(gate)
    finally:
        for layer, mode in modes.items():
            layer.training = mode
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
    return counted


def _batches(images: Tensor) -> list[Tensor]:
    """Split into batches of at most `BATCH` and of nearly equal size, so that none holds a single image."""
    return list(images.tensor_split(-(-len(images) // BATCH)))
