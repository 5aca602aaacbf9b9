"""The maps of one attention module, by its formula and from its own weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_bam.attention import BAM, CBAM
from lightning_bam.inspection.attended import Attended


@dataclass(frozen=True)
class Maps:
    """What a module makes of N inputs of shape `(N, C, H, W)`.

    Attributes:
        channel: logits of the channel branch, `(N, C)`; None without one.
        spatial: logits of the spatial branch, `(N, H, W)`; None without one.
        gate: the factor s before the residual, of a shape that broadcasts to `(N, C, H, W)`: BAM's
            `sigmoid(s_c + s_s)` (or product, or max), SE's `sigmoid(s_c)`, CBAM's `sigmoid(s_c) sigmoid(s_s)`.

    """

    channel: Tensor | None
    spatial: Tensor | None
    gate: Tensor


def maps(module: Attended, x: Tensor) -> Maps:
    """Return the maps that `module`, in its own mode, makes of `x` `(N, C, H, W)`."""
    if isinstance(module, BAM):
        pooled = x.mean(dim=(2, 3))
        return Maps(
            None if module.channel is None else module.channel(pooled),
            None if module.spatial is None else module.spatial(x).mean(dim=1),
            torch.sigmoid(module.logits(x)),
        )
    if isinstance(module, CBAM):
        channel = module.channel(x.mean(dim=(2, 3))) + module.channel(x.amax(dim=(2, 3)))
        along_channels = torch.sigmoid(channel)[:, :, None, None]
        spatial = module.spatial(described(x * along_channels))
        return Maps(channel, spatial[:, 0], along_channels * torch.sigmoid(spatial))
    channel = module.fc2(module.activation(module.fc1(module.avgpool(x))))
    return Maps(channel[:, :, 0, 0], None, module.scale_activation(channel))


def described(x: Tensor) -> Tensor:
    """Return CBAM's two-channel description `(N, 2, H, W)` of `x` `(N, C, H, W)`: mean and maximum over channels."""
    return torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
