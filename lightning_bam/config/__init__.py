"""A training run as data: frozen, checked, hashable, with one flat name for every knob."""

from lightning_bam.config.attention import RELEASED_BAM, Attention, BAMSpec, CBAMSpec, ExtraBlockSpec, SESpec
from lightning_bam.config.backbone import (
    Backbone,
    PreResNet,
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet101,
    ResNeXt29,
    ResNeXt50,
    SmallResNet,
    WideResNet,
)
from lightning_bam.config.codec import KINDS, construct, describes, flatten, from_dict, to_dict, with_settings
from lightning_bam.config.convnets import DenseNet, MobileNet, SqueezeNet
from lightning_bam.config.dataset import (
    CIFAR10,
    CIFAR100,
    SVHN,
    ClutteredDigits,
    Dataset,
    Digits,
    FashionMNIST,
    ImageFolder,
    ImageNet,
    data_dir,
)
from lightning_bam.config.detection import CocoDetection, Detector, DigitScenes, FasterRCNN, Scenes, Trunk
from lightning_bam.config.placement import AfterStages, EveryBlock, Placement
from lightning_bam.config.recipe import Recipe
from lightning_bam.config.run import Run
from lightning_bam.config.spec import ConfigError, nearest

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "KINDS",
    "RELEASED_BAM",
    "SVHN",
    "AfterStages",
    "Attention",
    "BAMSpec",
    "Backbone",
    "CBAMSpec",
    "ClutteredDigits",
    "CocoDetection",
    "ConfigError",
    "Dataset",
    "DenseNet",
    "Detector",
    "DigitScenes",
    "Digits",
    "EveryBlock",
    "ExtraBlockSpec",
    "FashionMNIST",
    "FasterRCNN",
    "ImageFolder",
    "ImageNet",
    "MobileNet",
    "Placement",
    "PreResNet",
    "Recipe",
    "ResNeXt29",
    "ResNeXt50",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "Run",
    "SESpec",
    "Scenes",
    "SmallResNet",
    "SqueezeNet",
    "Trunk",
    "WideResNet",
    "construct",
    "data_dir",
    "describes",
    "flatten",
    "from_dict",
    "nearest",
    "to_dict",
    "with_settings",
]
