"""Attention modules as data, each with exactly the arguments of its module, and where they stand in a backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator

from lightning_bam.config.options import Option, Options
from lightning_bam.config.spec import Part, spec


class AttentionSpec(Part):
    """An attention module as data: its fields are the module's knobs.

    One of this package stands for the class of its name in `lightning_bam/attention/<kind>.py`. One of your own says
    how it is built:

        @spec
        class MyGate(AttentionSpec):
            kernel_size: int = 3

            def build(self, channels: int) -> nn.Module:
                return Gate(channels, self.kernel_size)
    """

    slot: ClassVar[str] = "attention"

    def build(self, channels: int) -> Any:
        """Return a new module: maps `(N, channels, H, W)` to maps of the same shape."""
        raise NotImplementedError(f"{type(self).__name__} has no method build(self, channels)")


class PlacementSpec(Part):
    """Where attention stands in a backbone."""

    slot: ClassVar[str] = "placement"


@spec
class BAMSpec(AttentionSpec):
    """Knobs of `lightning_bam.BAM` (Park et al., BMVC 2018); the defaults are the paper's equations, r = 16, d = 4.

    Raises ValueError: a value outside its range, or `init="zero"` with `combine="product"`, which cannot learn.
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
class SESpec(AttentionSpec):
    """Knobs of `lightning_bam.SE`, squeeze-and-excitation (Hu et al., CVPR 2018)."""

    kind: ClassVar[str] = "se"
    reduction: Annotated[int, Field(ge=1)] = 16


@spec
class CBAMSpec(AttentionSpec):
    """Knobs of `lightning_bam.CBAM` (Woo et al., ECCV 2018); the defaults are the paper's equations."""

    kind: ClassVar[str] = "cbam"
    reduction: Annotated[int, Field(ge=1)] = 16
    kernel_size: Annotated[int, Field(ge=1)] = 7
    spatial_norm: bool = False

    def __post_init__(self) -> None:
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {self.kernel_size}")


@spec
class ECASpec(AttentionSpec):
    """Knobs of `lightning_bam.ECA`, efficient channel attention (Wang et al., CVPR 2020).

    `k_size` 0 is the paper's function of C; the authors' released code gives one for each stage of a network.
    """

    kind: ClassVar[str] = "eca"
    k_size: Annotated[int, Field(ge=0)] = 0
    shared: bool = True

    def __post_init__(self) -> None:
        if self.k_size and self.k_size % 2 == 0:
            raise ValueError(f"k_size must be odd, or 0 for the paper's function of the channels, got {self.k_size}")


@spec
class SimAMSpec(AttentionSpec):
    """Knobs of `lightning_bam.SimAM` (Yang et al., ICML 2021); the defaults are the paper's equations."""

    kind: ClassVar[str] = "simam"
    e_lambda: Annotated[float, Field(gt=0)] = 1e-4
    unbiased: bool = False


@spec
class CoordinateAttentionSpec(AttentionSpec):
    """Knobs of `lightning_bam.CoordinateAttention` (Hou et al., CVPR 2021); the defaults give the paper's counts."""

    kind: ClassVar[str] = "coordinate_attention"
    reduction: Annotated[int, Field(ge=1)] = 32
    min_hidden: Annotated[int, Field(ge=0)] = 8
    hidden_norm: bool = True


@spec
class GlobalContextSpec(AttentionSpec):
    """Knobs of `lightning_bam.GlobalContext`, the block of GCNet (Cao et al., ICCVW 2019)."""

    kind: ClassVar[str] = "global_context"
    reduction: Annotated[int, Field(ge=1)] = 16
    pooling: Literal["attention", "average"] = "attention"
    fusion: Literal["add", "scale", "both"] = "add"
    hidden_norm: bool = True
    released_init: bool = False


@spec
class TripletAttentionSpec(AttentionSpec):
    """Knobs of `lightning_bam.TripletAttention` (Misra et al., WACV 2021)."""

    kind: ClassVar[str] = "triplet_attention"
    kernel_size: Annotated[int, Field(ge=1)] = 7
    branches: Literal["both", "channel", "spatial"] = "both"

    def __post_init__(self) -> None:
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {self.kernel_size}")


@spec
class GatherExciteSpec(AttentionSpec):
    """Knobs of `lightning_bam.GatherExcite` (Hu et al., NeurIPS 2018); the defaults are the paper's GE-θ⁻.

    `extent` 0 is the whole map. GE-θ is `gather="conv"`, GE-θ⁺ that with `mlp=True`.
    """

    kind: ClassVar[str] = "gather_excite"
    extent: Annotated[int, Field(ge=0)] = 0
    gather: Literal["mean", "conv"] = "mean"
    mlp: bool = False
    reduction: Annotated[int, Field(ge=1)] = 16

    def __post_init__(self) -> None:
        if self.extent == 1 or self.extent & (self.extent - 1):
            raise ValueError(f"extent must be 0 (the whole map) or 2, 4, 8 ..., got {self.extent}")
        if self.gather == "conv" and self.extent == 0:
            raise ValueError(
                "gather='conv' with extent=0 would be a conv as large as a map whose size the module does not know; "
                "use extent=8"
            )

    def idle(self) -> frozenset[str]:
        """Return the fields that play no part, given the others."""
        return frozenset() if self.mlp else frozenset({"reduction"})


@spec
class TimmAttention(AttentionSpec):
    """Any attention module of timm by its name in `timm.layers.create_attn`, as `eca`. Needs the package timm.

    `arguments` are those of the module beyond its channels, as `{"rd_ratio": 0.25}`; on the command line
    `attention.arguments.rd_ratio=0.25`.
    """

    kind: ClassVar[str] = "timm"
    package: ClassVar[str] = "timm"
    name: Annotated[str, Field(pattern=r"^[a-z]\w*$", max_length=40)]
    arguments: Annotated[Mapping[str, Option], PlainValidator(Options)] = Options()


@spec
class ExtraBlockSpec(AttentionSpec):
    """A block of the network's kind and width, stride 1, behind each stage (table 1c of the paper); no attention."""

    kind: ClassVar[str] = "extra_block"


@spec
class AfterStages(PlacementSpec):
    """One module after each of these stages, counted from 1; `None` is all but the last (the paper's bottlenecks)."""

    kind: ClassVar[str] = "after_stages"
    stages: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.stages is None:
            return
        if not self.stages or list(self.stages) != sorted(set(self.stages)) or self.stages[0] < 1:
            raise ValueError(
                f"stages must be stage numbers from 1, in order and each once, like 1,3; got {self.stages}"
            )


@spec
class EveryBlock(PlacementSpec):
    """One module in each residual block, on the residual branch before the addition (BAM-C of the paper)."""

    kind: ClassVar[str] = "every_block"


@spec
class AtLayers(PlacementSpec):
    """One module behind each of these layers, named as in `network.get_submodule`, as `features.3`."""

    kind: ClassVar[str] = "at_layers"
    layers: Annotated[tuple[Annotated[str, Field(pattern=r"^\w+(\.\w+)*$", max_length=200)], ...], Field(min_length=1)]

    def __post_init__(self) -> None:
        if len(set(self.layers)) < len(self.layers):
            raise ValueError(f"layers must be different, got {', '.join(self.layers)}")


Placement = AfterStages | EveryBlock | AtLayers
