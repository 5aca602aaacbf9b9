"""From a spec to the module it stands for."""

from collections.abc import Callable
from dataclasses import fields
from typing import Final

from torch import nn

from lightning_bam.attention.bam import BAM
from lightning_bam.attention.cbam import CBAM
from lightning_bam.attention.se import SE
from lightning_bam.config import Attention, BAMSpec, CBAMSpec, ConfigError, ExtraBlockSpec, SESpec

MODULES: Final[dict[type[Attention], Callable[..., nn.Module]]] = {BAMSpec: BAM, SESpec: SE, CBAMSpec: CBAM}
"""The module of each spec, whose fields are its arguments."""


def build_attention(spec: Attention, channels: int) -> nn.Module:
    """Build the module that `spec` stands for, for `channels` input channels.

    ConfigError for fewer channels than the spec's reduction, and for `ExtraBlockSpec`, which is the network's to build.
    """
    if isinstance(spec, ExtraBlockSpec):
        raise ConfigError("extra_block: only a backbone of this package knows its own kind of block; use build(run)")
    return MODULES[type(spec)](channels, **{field.name: getattr(spec, field.name) for field in fields(spec)})
