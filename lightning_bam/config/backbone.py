"""Backbones as data: which network, and the choices of structure that the literature leaves open."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lightning_bam.config.spec import spec

Width = Annotated[int, Field(ge=1)]


@spec
class SmallResNet:
    """He et al.'s (2016) three-stage CIFAR family, depth = 6n + 2, stages `width`, 2 `width`, 4 `width`.

    Raises:
        ValueError: `depth` is not 6n + 2.

    """

    kind: ClassVar[str] = "small_resnet"
    depth: Annotated[int, Field(ge=8)] = 8
    width: Width = 16

    def __post_init__(self) -> None:
        """Refuse a depth that the family does not have."""
        if (self.depth - 2) % 6:
            raise ValueError(f"depth must be 6n + 2 (8, 14, 20, 32, 44, 56, 110), got {self.depth}")


@spec
class ResNet18:
    """CIFAR ResNet18: 3x3 stem of `width`, no max-pool, four stages of basic blocks."""

    kind: ClassVar[str] = "resnet18"
    width: Width = 64


@spec
class ResNet34:
    """CIFAR ResNet34: 3x3 stem of `width`, no max-pool, four stages of basic blocks."""

    kind: ClassVar[str] = "resnet34"
    width: Width = 64


@spec
class ResNet50:
    """CIFAR ResNet50: bottleneck blocks; `stride_on` says which conv of a block carries its stride.

    The paper's counts follow from `1x1`, the authors' released code strides on the `3x3`.
    """

    kind: ClassVar[str] = "resnet50"
    stride_on: Literal["3x3", "1x1"] = "3x3"
    width: Width = 64


@spec
class ResNet101:
    """CIFAR ResNet101: bottleneck blocks; `stride_on` as for `ResNet50`."""

    kind: ClassVar[str] = "resnet101"
    stride_on: Literal["3x3", "1x1"] = "3x3"
    width: Width = 64


Backbone = SmallResNet | ResNet18 | ResNet34 | ResNet50 | ResNet101
