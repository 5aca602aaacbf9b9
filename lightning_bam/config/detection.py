"""Object detection as data: scenes with boxes, and a detector around a residual trunk."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from lightning_bam.config.backbone import BackboneSpec, ResNet18, ResNet34, ResNet50, ResNet101, SmallResNet
from lightning_bam.config.dataset import Count, DatasetSpec
from lightning_bam.config.spec import spec

Trunk = SmallResNet | ResNet18 | ResNet34 | ResNet50 | ResNet101

IDLE: Final = frozenset({"recipe.crop_padding", "recipe.label_smoothing", "recipe.sync_batchnorm"})
"""What no detector's training knows."""


class Scenes(DatasetSpec):
    """Images with boxes to find; where `resized`, they come in sizes of their own and a detector resizes them."""

    resized: ClassVar[bool] = False


class Detector(BackboneSpec):
    """A network that finds boxes, around a trunk in which attention stands."""


@spec
class DigitScenes(Scenes):
    """Scenes of scikit-learn's handwritten digits with exact boxes, embedded: real objects, nothing to download.

    Each scene is a `(3, height, width)` canvas, black, that shows 0 to `most` digits, each in a random colour. A digit
    is stretched to a height of 12 to 24 and a width of 8 to 24 pixels; its box is the smallest that holds its pixels of
    at least half their brightest value, and no two digits' canvases overlap (a digit that finds no free place is left
    out). Train and test are made of disjoint digits, 1,297 and 500. `seed` decides the scenes, not the training.
    """

    kind: ClassVar[str] = "digit_scenes"
    height: Annotated[int, Field(ge=32, le=512)] = 64
    width: Annotated[int, Field(ge=32, le=512)] = 64
    most: Annotated[int, Field(ge=1, le=16)] = 4
    train: Annotated[int, Field(ge=2)] = 1000
    test: Annotated[int, Field(ge=1)] = 250
    seed: Annotated[int, Field(ge=0)] = 0
    classes: ClassVar[int] = 10
    idles: ClassVar[frozenset[str]] = IDLE

    @property
    def shape(self) -> tuple[int, int, int]:
        """Image shape `(C, H, W)`."""
        return (3, self.height, self.width)


@spec
class CocoDetection(Scenes):
    """Boxes of a data set in COCO's format, read from `<data dir>/<name>`.

    Wanted there: `annotations/instances_train<year>.json`, `annotations/instances_val<year>.json` and the images in
    `train<year>` and `val<year>`. Train images are trained on and val images scored. Crowds are not trained on, and
    neither help nor harm the score. An image is resized so that its shorter side has `min_side` pixels, unless its
    longer side would exceed `max_side`; the paper does not say its own.
    """

    kind: ClassVar[str] = "coco_detection"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")] = "coco"
    year: Annotated[int, Field(ge=2000, le=2100)] = 2017
    classes: Annotated[int, Field(ge=1)] = 80
    min_side: Annotated[int, Field(ge=32)] = 800
    max_side: Annotated[int, Field(ge=32)] = 1333
    train: Count = None
    resized: ClassVar[bool] = True
    idles: ClassVar[frozenset[str]] = IDLE

    def __post_init__(self) -> None:
        if self.max_side < self.min_side:
            raise ValueError(f"max_side must be at least min_side, got {self.max_side} below {self.min_side}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape `(C, H, W)` of the largest image that the network sees, which is also the one it is counted for."""
        return (3, self.min_side, self.max_side)


@spec
class VOCDetection(Scenes):
    """Boxes of PASCAL VOC's 20 classes, read from `<data dir>/<name>`, as its archives unpack.

    Wanted there: `VOC2007` and `VOC2012`, of each `Annotations`, `JPEGImages` and `ImageSets/Main`. Trained on are the
    `trainval` images of both years, scored the `test` images of 2007: "07+12" of SSD's paper (Liu et al., ECCV 2016);
    BAM's says no more than VOC 2007. What VOC calls difficult is not trained on, and neither helps nor harms the score,
    as COCO's crowds: every found box of which half lies in it is left out.

    The score is COCO's mAP@.5, an area under 101 points of recall; VOC's own of 2007 took 11. The paper does not say
    which it printed, and the two can differ by a few points. A detector of fixed size stretches an image to `height` x
    `width`; Faster R-CNN keeps its proportions, by the shorter of the two and the longer.
    """

    kind: ClassVar[str] = "voc_detection"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")] = "VOCdevkit"
    height: Annotated[int, Field(ge=32)] = 300
    width: Annotated[int, Field(ge=32)] = 300
    train: Count = None
    classes: ClassVar[int] = 20
    resized: ClassVar[bool] = True
    idles: ClassVar[frozenset[str]] = IDLE

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape `(C, H, W)` of the images that the network sees, which it is also counted for."""
        return (3, self.height, self.width)


@spec
class FasterRCNN(Detector):
    """Torchvision's Faster R-CNN (Ren et al., NIPS 2015) with a feature pyramid (Lin et al., CVPR 2017) on a trunk.

    The paper's own is older and not described: this detector is a fixed assumption of every detection study here.
    Attention stands in the trunk, where a placement says. Every weight is drawn from the run's seed and trained.

    `pyramid` is the channels of the feature pyramid, `hidden` those of the box head's two layers; at most `proposals`
    regions of an image reach the box head when it is scored, twice as many when it is trained. An anchor is eight
    strides of its pyramid level in size, in ratios 1:2, 1:1 and 2:1, torchvision's on a trunk of ImageNet's strides.
    """

    kind: ClassVar[str] = "faster_rcnn"
    trunk: Trunk = SmallResNet()
    pyramid: Annotated[int, Field(ge=1)] = 256
    hidden: Annotated[int, Field(ge=1)] = 1024
    proposals: Annotated[int, Field(ge=1)] = 1000

    @property
    def stage_count(self) -> int | None:
        """How many stages the trunk has."""
        return self.trunk.stage_count


@spec
class SSD(Detector):
    """SSD (Liu et al., ECCV 2016): convs on six maps of an image say class and place of each map's default boxes.

    `base` is VGG16 (its last layers dilated, as in SSD's paper) or MobileNet v1, whose further layers and 1x1 heads
    are those of the public MobileNet-SSD, without norms. `width` multiplies the channels of the base and of the
    further layers. `first_boxes` are the default boxes at each place of the first map; SSD's paper has 4 there, and the
    counts that BAM's paper prints want 6. The boxes' sizes are 0.1 to 0.88 of the image (MobileNet: 0.2 to 0.95).

    `top_down` is the channels of StairNet's path (Woo et al., WACV 2018), None for plain SSD: from the last map to the
    first, each is taken to as many channels by a 1x1 conv, the map above is added by a transposed conv, and a 3x3 conv
    stands before the map's own classifiers. The layout is that of a draft in the public repository of an author of
    StairNet's; with VGG16 it has the params that BAM's paper prints (32.0 M), with MobileNet far more (not 5.98 M).

    Attention stands in the base, by default behind every stage but the last. With `top_down` the six maps are the
    stages, and by default it stands in front of every map's classifiers.

    Every weight is drawn from the run's seed and trained, and images are mirrored, no more: SSD's own begins from
    ImageNet's weights, and distorts colours, shrinks and crops, which alone are worth 9 points of mAP by its paper. Its
    figures stay out of reach here; the difference that attention makes is what is asked.
    """

    kind: ClassVar[str] = "ssd"
    base: Literal["vgg16", "mobilenet_v1"] = "vgg16"
    width: Annotated[float, Field(gt=0, le=16)] = 1.0
    first_boxes: Annotated[int, Field(ge=4, le=6, multiple_of=2)] = 4
    top_down: Annotated[int, Field(ge=1)] | None = None

    @property
    def stage_count(self) -> int | None:
        """How many stages the base has; with `top_down` one more than the six maps."""
        if self.top_down is not None:
            return 7
        return 5 if self.base == "vgg16" else 4
