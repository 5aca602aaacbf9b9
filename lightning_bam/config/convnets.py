"""Backbones without residual blocks, as data."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from lightning_bam.config.spec import spec


@spec
class DenseNet:
    """DenseNet-BC for small images (Huang et al., CVPR 2017), depth = 6n + 4: three dense blocks of n layers.

    Each layer adds `growth` channels, the stem has twice as many, a transition halves channels and resolution. The
    stages are what the paper puts BAM behind, before and after each transition: dense block, transition, dense block,
    transition, dense block.

    Raises:
        ValueError: `depth` is not 6n + 4.

    """

    kind: ClassVar[str] = "densenet_bc"
    stages: ClassVar[int] = 5
    depth: Annotated[int, Field(ge=10)] = 100
    growth: Annotated[int, Field(ge=1)] = 12

    def __post_init__(self) -> None:
        """Refuse a depth that the family does not have."""
        if (self.depth - 4) % 6:
            raise ValueError(f"depth must be 6n + 4 (10, 16, 22, 40, 100, 190, 250), got {self.depth}")


@spec
class MobileNet:
    """MobileNet v1 (Howard et al. 2017, arXiv 1704.04861); `width` multiplies the channels of every layer.

    The stages are its layers of 128, 256, 512 and 1024 channels (at `width` 1), one resolution each.
    """

    kind: ClassVar[str] = "mobilenet_v1"
    stages: ClassVar[int] = 4
    width: Annotated[float, Field(gt=0, le=16)] = 1.0


@spec
class SqueezeNet:
    """SqueezeNet 1.1 (Iandola et al. 2016, arXiv 1602.07360), torchvision's; images of at least 17 x 17.

    The stages are its layers of 64, 128, 256 and 512 channels. That the paper puts BAM behind the first three is
    inferred from its counts.
    """

    kind: ClassVar[str] = "squeezenet1_1"
    stages: ClassVar[int] = 4
