"""A training run as data: frozen, checked, hashable, with one flat name for every knob."""

from lightning_bam.config.attention import (
    RELEASED_BAM,
    AfterStages,
    AtLayers,
    AttentionSpec,
    BAMSpec,
    CBAMSpec,
    CoordinateAttentionSpec,
    ECASpec,
    EveryBlock,
    ExtraBlockSpec,
    GatherExciteSpec,
    GlobalContextSpec,
    Placement,
    SESpec,
    SimAMSpec,
    TimmAttention,
    TripletAttentionSpec,
)
from lightning_bam.config.backbone import (
    BackboneSpec,
    DenseNet,
    LibraryNet,
    MobileNet,
    PreResNet,
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet101,
    ResNeXt29,
    ResNeXt50,
    SmallResNet,
    SqueezeNet,
    Timm,
    Torchvision,
    WideResNet,
)
from lightning_bam.config.codec import construct, flatten, from_dict, knobs, to_dict, with_settings
from lightning_bam.config.dataset import (
    CIFAR10,
    CIFAR100,
    SVHN,
    ClutteredDigits,
    DatasetSpec,
    Digits,
    FashionMNIST,
    ImageFolder,
    ImageNet,
    data_dir,
)
from lightning_bam.config.detection import (
    SSD,
    CocoDetection,
    Detector,
    DigitScenes,
    FasterRCNN,
    Scenes,
    Trunk,
    VOCDetection,
)
from lightning_bam.config.options import Option, Options
from lightning_bam.config.recipe import Recipe
from lightning_bam.config.run import Run
from lightning_bam.config.spec import KINDS, ConfigError, nearest, spec
from lightning_bam.config.task import Classification, Detection, Metric, TaskSpec, metrics
