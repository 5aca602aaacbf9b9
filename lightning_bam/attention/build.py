"""From a spec to the module it stands for."""

from dataclasses import fields

from torch import nn

from lightning_bam.attention.bam import BAM
from lightning_bam.attention.cbam import CBAM
from lightning_bam.attention.se import SE
from lightning_bam.config import Attention, BAMSpec, CBAMSpec, ConfigError, ExtraBlockSpec


def build_attention(spec: Attention, channels: int) -> nn.Module:
    """Build the module that `spec` stands for, for `channels` input channels.

    Raises:
        ConfigError: fewer channels than the spec's reduction, or `ExtraBlockSpec`, which is the network's to build.

    """
    if isinstance(spec, ExtraBlockSpec):
        raise ConfigError("extra_block: only a backbone of this package knows its own kind of block; use build(run)")
    knobs = {field.name: getattr(spec, field.name) for field in fields(spec)}
    if isinstance(spec, BAMSpec):
        return BAM(channels, **knobs)
    if isinstance(spec, CBAMSpec):
        return CBAM(channels, **knobs)
    return SE(channels, **knobs)
