"""How much of a gate stands still: the share of its values so close to 0 or 1 that the sigmoid's slope is gone."""

from typing import Any, Final

import torch
from torch import Tensor, nn

from lightning_bam.attention.gate import HIGH, LOW
from lightning_bam.inspection.maps import attention_modules, module_inputs

BARS: Final = 50
"""Bars of the histogram between 0 and 1."""
BATCH: Final = 64
"""Images that pass the network together."""


class Saturation:
    """Counts gate values between 0 and 1, however many and in any batches."""

    def __init__(self) -> None:
        self.counts = torch.zeros(BARS, dtype=torch.int64)
        self.low = self.high = self.n = 0
        self.sum = 0.0

    def add(self, gate: Tensor) -> None:
        """Count the values of `gate`, of any shape."""
        values = gate.detach().double().flatten()
        self.low += int((values < LOW).sum())
        self.high += int((values > HIGH).sum())
        self.n += values.numel()
        self.sum += float(values.sum())
        self.counts += torch.bincount((values * BARS).long().clamp(0, BARS - 1), minlength=BARS)

    def numbers(self) -> dict[str, Any]:
        """Return n, the saturated shares and the mean."""
        return {
            "n_values": self.n,
            "low": self.low / self.n,
            "high": self.high / self.n,
            "saturated": (self.low + self.high) / self.n,
            "mean": self.sum / self.n,
        }

    def histogram(self) -> Tensor:
        """Return the shares of the values in `BARS` equal bars between 0 and 1."""
        return self.counts.double() / self.n


def saturation(network: nn.Module, images: Tensor, *, batch_statistics: bool) -> dict[str, Saturation]:
    """Count the gate of every attention module over normalised `images` `(N, C, H, W)`.

    With `batch_statistics` (2 images or more) norms use their batch of at most `BATCH`, as in the first training step:
    running statistics of untrained weights are still 0 and 1. It leaves the network in that mode, and then with other
    running statistics.
    """
    network.train(batch_statistics)
    modules = attention_modules(network)
    counts = {name: Saturation() for name in modules}
    batches = images.tensor_split(-(-len(images) // BATCH))  # of nearly equal size, so that none holds a single image
    with torch.no_grad():
        for batch in batches:
            inputs, _ = module_inputs(network, batch)
            for name, module in modules.items():
                counts[name].add(module.gate(inputs[name]))
    return counts
