"""Attention modules as data: each spec's fields are exactly the keyword arguments of the module it stands for."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lightning_bam.config.spec import spec


@spec
class BAMSpec:
    """Knobs of `lightning_bam.BAM` (Park et al., BMVC 2018); the defaults are the paper's equations, r = 16, d = 4.

    Raises:
        ValueError: a value outside its range, or `init="zero"` with `combine="product"`, which cannot learn.

    """

    kind: ClassVar[str] = "bam"
    reduction: Annotated[int, Field(ge=1)] = 16
    dilation: Annotated[int, Field(ge=1)] = 4
    combine: Literal["sum", "product", "max"] = "sum"
    branches: Literal["both", "channel", "spatial"] = "both"
    norm: Literal["ends", "hidden", "both", "maps"] = "ends"
    activation: Literal["relu", "none"] = "relu"
    dilated_convs: Annotated[int, Field(ge=0)] = 2
    channel_layers: Annotated[int, Field(ge=1)] = 1
    residual: bool = True
    init: Literal["torch", "kaiming", "zero"] = "torch"

    def __post_init__(self) -> None:
        """Refuse the one combination of knobs that can never leave its starting point."""
        if self.init == "zero" and self.combine == "product" and self.branches == "both":
            raise ValueError(
                "init='zero' with combine='product' never learns: each branch's gradient is multiplied by the "
                "other branch, and both start at 0; use init='torch' or combine='sum'"
            )

    def idle(self) -> frozenset[str]:
        """Return the fields that play no part, given the others."""
        names = set()
        if self.branches != "both":
            names.add("combine")
        if self.branches == "spatial":
            names.add("channel_layers")
        if self.branches == "channel":
            names |= {"dilation", "dilated_convs"} | ({"init"} if self.init == "kaiming" else set())
        if self.dilated_convs == 0:
            names.add("dilation")
        return frozenset(names)

    def canonical(self) -> BAMSpec:
        """Return the same module in its usual spelling: to a channel branch alone, `maps` is `both`."""
        return replace(self, norm="both") if self.branches == "channel" and self.norm == "maps" else self


RELEASED_BAM = BAMSpec(norm="hidden", combine="product")
"""The structure of the authors' released code: norms on the hidden layers only, the branches multiplied."""


@spec
class SESpec:
    """Knobs of `lightning_bam.SE`, squeeze-and-excitation (Hu et al., CVPR 2018)."""

    kind: ClassVar[str] = "se"
    reduction: Annotated[int, Field(ge=1)] = 16


@spec
class CBAMSpec:
    """Knobs of `lightning_bam.CBAM` (Woo et al., ECCV 2018); the defaults are the paper's equations."""

    kind: ClassVar[str] = "cbam"
    reduction: Annotated[int, Field(ge=1)] = 16
    kernel_size: Annotated[int, Field(ge=1)] = 7
    spatial_norm: bool = False

    def __post_init__(self) -> None:
        """Refuse an even kernel, which would shift the map."""
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {self.kernel_size}")


@spec
class ExtraBlockSpec:
    """A block of the network's own kind, stride 1 and same width, behind each named stage (table 1c of the paper).

    It is no attention: it asks whether BAM's gain is more than that of a little more network at the same places.
    """

    kind: ClassVar[str] = "extra_block"


Attention = BAMSpec | SESpec | CBAMSpec | ExtraBlockSpec
