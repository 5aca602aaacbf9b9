"""From a spec to the module it stands for."""

from dataclasses import fields
from importlib import import_module
from typing import Any

from torch import nn

from lightning_bam.config import AttentionSpec, ConfigError, ExtraBlockSpec
from lightning_bam.user_code.build import built


def build_attention(spec: AttentionSpec, channels: int) -> nn.Module:
    """Build the module that `spec` stands for, for `channels` input channels.

    `ECASpec` of kind `eca` stands for the class `ECA` in `lightning_bam/attention/eca.py`, whose arguments are its
    fields; a spec of the user's own builds its own. ConfigError for fewer channels than the spec's reduction, for
    `ExtraBlockSpec`, which is the network's to build, and for a `build` of the user's own that fails.
    """
    if isinstance(spec, ExtraBlockSpec):
        raise ConfigError("extra_block: only a backbone of this package knows its own kind of block; use build(run)")
    if spec.code:
        return built(spec, channels)
    cls = getattr(import_module(f"lightning_bam.attention.{spec.kind}"), type(spec).__name__.removesuffix("Spec"))
    knobs: Any = spec
    module: nn.Module = cls(channels, **{field.name: getattr(spec, field.name) for field in fields(knobs)})
    return module
