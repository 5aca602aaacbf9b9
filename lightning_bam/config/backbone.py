"""Backbones as data: which network, and the choices of structure that the literature leaves open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from lightning_bam.config.spec import Part, spec

Width = Annotated[int, Field(ge=1)]
StrideOn = Literal["3x3", "1x1"]
Stem = Literal["small", "imagenet"]
"""`small` is a 3x3 conv to `width` channels, `imagenet` a 7x7 conv of stride 2 to 64 and a max-pool of stride 2."""


class BackboneSpec(Part):
    """A network as data. One of your own says how it is built, and behind which of its layers attention goes:

    @spec
    class MyNet(BackboneSpec):
        width: int = 16

        def build(self, channels: int, classes: int) -> nn.Module:
            return Net(channels, classes, self.width)

        def layers(self) -> list[str]:
            return ["stage1", "stage2"]
    """

    slot: ClassVar[str] = "backbone"

    def build(self, channels: int, classes: int) -> Any:
        """Return the plain network: images `(N, channels, H, W)` to logits `(N, classes)`."""
        raise NotImplementedError(f"{type(self).__name__} has no method build(self, channels, classes)")

    def layers(self) -> Sequence[str]:
        """Return the names of the layers behind which attention goes, as in `network.get_submodule`."""
        raise NotImplementedError(f"{type(self).__name__} has no method layers(self)")

    @property
    def stage_count(self) -> int | None:
        """How many stages it has; None where only the built network says it, or a `layers` of one's own."""
        return None


@spec
class SmallResNet(BackboneSpec):
    """He et al.'s (2016) three-stage CIFAR family, depth = 6n + 2, stages `width`, 2 `width`, 4 `width`."""

    kind: ClassVar[str] = "small_resnet"
    stage_count: ClassVar[int] = 3
    depth: Annotated[int, Field(ge=8)] = 8
    width: Width = 16

    def __post_init__(self) -> None:
        if (self.depth - 2) % 6:
            raise ValueError(f"depth must be 6n + 2 (8, 14, 20, 32, 44, 56, 110), got {self.depth}")


@spec
class ResNet18(BackboneSpec):
    """ResNet18; `stem="imagenet"` is torchvision's, with `width` 96 and 128 the paper's WRN18 x1.5 and x2."""

    kind: ClassVar[str] = "resnet18"
    stage_count: ClassVar[int] = 4
    width: Width = 64
    stem: Stem = "small"


@spec
class ResNet34(BackboneSpec):
    """ResNet34: four stages of basic blocks; `stem="imagenet"` is torchvision's."""

    kind: ClassVar[str] = "resnet34"
    stage_count: ClassVar[int] = 4
    width: Width = 64
    stem: Stem = "small"


@spec
class ResNet50(BackboneSpec):
    """ResNet50: bottleneck blocks; `stride_on` is the conv of a block with its stride, in the paper's counts the `1x1`.

    With `stem="imagenet"` and the stride on the `3x3`, as in the released code, it is torchvision's.
    """

    kind: ClassVar[str] = "resnet50"
    stage_count: ClassVar[int] = 4
    stride_on: StrideOn = "3x3"
    width: Width = 64
    stem: Stem = "small"


@spec
class ResNet101(BackboneSpec):
    """ResNet101: bottleneck blocks; `stem` and `stride_on` as for `ResNet50`."""

    kind: ClassVar[str] = "resnet101"
    stage_count: ClassVar[int] = 4
    stride_on: StrideOn = "3x3"
    width: Width = 64
    stem: Stem = "small"


@spec
class WideResNet(BackboneSpec):
    """WRN28 (Zagoruyko and Komodakis, BMVC 2016): pre-activation blocks, stages 16, 32, 64 times `widen_factor`."""

    kind: ClassVar[str] = "wrn28"
    stage_count: ClassVar[int] = 3
    widen_factor: Width = 8


@spec
class PreResNet(BackboneSpec):
    """Pre-activation bottleneck net (He et al., ECCV 2016), depth = 9n + 2, stages of 64, 128 and 256 channels.

    The paper's "PreResNet110" has the counts of the default, 164 layers, with `stride_on="1x1"`.
    """

    kind: ClassVar[str] = "preresnet"
    stage_count: ClassVar[int] = 3
    depth: Annotated[int, Field(ge=11)] = 164
    stride_on: StrideOn = "3x3"

    def __post_init__(self) -> None:
        if (self.depth - 2) % 9:
            raise ValueError(f"depth must be 9n + 2 (11, 20, 29, 56, 110, 164, 1001), got {self.depth}")


@spec
class ResNeXt29(BackboneSpec):
    """ResNeXt29 `cardinality` x `base_width`d (Xie et al., CVPR 2017): three stages of 256, 512 and 1024 channels.

    `base_width` is the channels of a group in the first stage, doubled in each; `stride_on` as for `ResNet50`.
    """

    kind: ClassVar[str] = "resnext29"
    stage_count: ClassVar[int] = 3
    cardinality: Width = 8
    base_width: Width = 64
    stride_on: StrideOn = "3x3"


@spec
class ResNeXt50(BackboneSpec):
    """ImageNet ResNeXt50 `cardinality` x `base_width`d (Xie et al., CVPR 2017), torchvision's; see `ResNeXt29`."""

    kind: ClassVar[str] = "resnext50"
    stage_count: ClassVar[int] = 4
    cardinality: Width = 32
    base_width: Width = 4
    stride_on: StrideOn = "3x3"


@spec
class DenseNet(BackboneSpec):
    """DenseNet-BC for small images (Huang et al., CVPR 2017), depth = 6n + 4: three dense blocks of n layers.

    Each layer adds `growth` channels, a transition halves channels and resolution. The stages, behind which the paper
    has BAM, are dense blocks and transitions in turn.
    """

    kind: ClassVar[str] = "densenet_bc"
    stage_count: ClassVar[int] = 5
    depth: Annotated[int, Field(ge=10)] = 100
    growth: Annotated[int, Field(ge=1)] = 12

    def __post_init__(self) -> None:
        if (self.depth - 4) % 6:
            raise ValueError(f"depth must be 6n + 4 (10, 16, 22, 40, 100, 190, 250), got {self.depth}")


@spec
class MobileNet(BackboneSpec):
    """MobileNet v1 (Howard et al. 2017, arXiv 1704.04861), stages of 128, 256, 512 and 1024 channels times `width`."""

    kind: ClassVar[str] = "mobilenet_v1"
    stage_count: ClassVar[int] = 4
    width: Annotated[float, Field(gt=0, le=16)] = 1.0


@spec
class SqueezeNet(BackboneSpec):
    """SqueezeNet 1.1 (Iandola et al. 2016, arXiv 1602.07360), torchvision's; images of at least 17 x 17.

    The stages are its layers of 64, 128, 256 and 512 channels; BAM behind the first three gives the paper's counts.
    """

    kind: ClassVar[str] = "squeezenet1_1"
    stage_count: ClassVar[int] = 4


LibraryName = Annotated[str, Field(pattern=r"^[\w.]+$", max_length=100)]
FileName = Annotated[str, Field(min_length=1, max_length=1000)]
Digest = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{16,64}$")]
"""Sixteen hex digits or more, with which a file's SHA-256 begins."""


class LibraryNet(BackboneSpec):
    """A network that a library has by `name`, drawn from the run's seed or begun with weights from a file.

    `weights` is that file, a path in the data directory or an absolute one: a state dict with the names of this
    network's, as `torch.save(model.state_dict(), FILE)` writes it, perhaps under `state_dict` or `model`, or
    safetensors. `sha256` are 16 hex digits or more of its SHA-256 (`sha256sum FILE`); they are part of the key, the
    path is not. All tensors must fit but those of the last layer, which stay as they were drawn where the file's are of
    other classes. Nothing is ever downloaded.

    Attention goes behind named layers (`AtLayers`), or behind stages where the network knows its own.
    """

    name: str
    weights: str | None
    sha256: str | None

    def __post_init__(self) -> None:
        if self.weights is not None and self.sha256 is None:
            raise ValueError(
                f"weights={self.weights} needs sha256, 16 digits or more of what `sha256sum` says of the file: the key "
                "of a run depends on what is in it"
            )
        if self.weights is None and self.sha256 is not None:
            raise ValueError(f"sha256={self.sha256} is that of no file; name it as weights")

    def idle(self) -> frozenset[str]:
        """Return the fields that play no part, given the others."""
        return frozenset({"weights", "sha256"}) if self.weights is None else frozenset()

    def canonical(self) -> LibraryNet:
        """Return the same network with its file named by what is in it, wherever it lies."""
        spec: Any = self
        digest = self.sha256 and self.sha256[:16]
        renamed: LibraryNet = replace(spec, weights=digest, sha256=digest)
        return renamed


@spec
class Torchvision(LibraryNet):
    """Any classification network of torchvision by its name, as `mobilenet_v3_small`; see `LibraryNet`.

    For other images than RGB its first convolution is one for their channels, drawn as torch draws it. GoogLeNet and
    Inception have no auxiliary classifiers. The stages of the ResNet family are `layer1` to `layer4`.
    """

    kind: ClassVar[str] = "torchvision"
    name: LibraryName
    weights: FileName | None = None
    sha256: Digest | None = None


@spec
class Timm(LibraryNet):
    """Any network of timm by its name without a tag, as `resnet18`; see `LibraryNet`. Needs the package timm.

    timm makes it for the channels of the images, and for their size where the network depends on that. Its stages are
    `layer1` to `layer4` where it has them, as the ResNet family, else the modules of timm's `feature_info`, which with
    some networks begins with the stem.
    """

    kind: ClassVar[str] = "timm"
    package: ClassVar[str] = "timm"
    name: LibraryName
    weights: FileName | None = None
    sha256: Digest | None = None
