"""The width of a reduced layer, one rule for every module that has one."""

from __future__ import annotations

from lightning_bam.config import ConfigError


def hidden_channels(channels: int, reduction: int) -> int:
    """Return m = C // r (DenseNet's 216 channels at r = 16 give 13).

    Raises:
        ConfigError: C < r, which would leave no hidden channel.

    """
    if channels < reduction:
        raise ConfigError(
            f"reduction={reduction}: {channels} channels are fewer than that and leave no hidden channel; "
            f"use a reduction of at most {channels}"
        )
    return channels // reduction
