"""From a spec to the module it stands for."""

from dataclasses import fields
from importlib import import_module

from torch import nn

from lightning_bam.config import Attention, ConfigError, ExtraBlockSpec


def build_attention(spec: Attention, channels: int) -> nn.Module:
    """Build the module that `spec` stands for, for `channels` input channels.

    `ECASpec` of kind `eca` stands for the class `ECA` in `lightning_bam/attention/eca.py`, whose arguments are its
    fields. ConfigError for fewer channels than the spec's reduction, and for `ExtraBlockSpec`, which is the network's
    to build.
    """
    if isinstance(spec, ExtraBlockSpec):
        raise ConfigError("extra_block: only a backbone of this package knows its own kind of block; use build(run)")
    cls = getattr(import_module(f"lightning_bam.attention.{spec.kind}"), type(spec).__name__.removesuffix("Spec"))
    module: nn.Module = cls(channels, **{field.name: getattr(spec, field.name) for field in fields(spec)})
    return module
