"""What is trained: attention modules, backbones, data, and one training run.

Descriptions (`Run`, `BAMSpec` ...) need no torch; modules (`BAM`, `insert`, `train` ...) load it when first touched.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lightning_bam.config import (
    CIFAR10,
    CIFAR100,
    RELEASED_BAM,
    SSD,
    SVHN,
    AfterStages,
    AtLayers,
    AttentionSpec,
    BackboneSpec,
    BAMSpec,
    CBAMSpec,
    ClutteredDigits,
    CocoDetection,
    ConfigError,
    CoordinateAttentionSpec,
    DatasetSpec,
    DenseNet,
    Digits,
    DigitScenes,
    ECASpec,
    EveryBlock,
    ExtraBlockSpec,
    FashionMNIST,
    FasterRCNN,
    GatherExciteSpec,
    GlobalContextSpec,
    ImageFolder,
    ImageNet,
    Metric,
    MobileNet,
    PreResNet,
    Recipe,
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet101,
    ResNeXt29,
    ResNeXt50,
    Run,
    SESpec,
    SimAMSpec,
    SmallResNet,
    SqueezeNet,
    TaskSpec,
    Timm,
    TimmAttention,
    Torchvision,
    TripletAttentionSpec,
    VOCDetection,
    WideResNet,
    flatten,
    spec,
)
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import Result

if TYPE_CHECKING:
    from lightning_bam.attention import (
        BAM,
        CBAM,
        ECA,
        SE,
        CoordinateAttention,
        GatherExcite,
        GlobalContext,
        SimAM,
        TripletAttention,
        insert,
    )
    from lightning_bam.data import ImageData
    from lightning_bam.network import Cost, build, count, count_module
    from lightning_bam.training.classifier import Classifier
    from lightning_bam.training.train import train

_WITH_TORCH = {
    **dict.fromkeys(("BAM", "CBAM", "ECA", "SE", "CoordinateAttention", "GatherExcite", "GlobalContext"), "attention"),
    **dict.fromkeys(("SimAM", "TripletAttention", "insert"), "attention"),
    **dict.fromkeys(("build", "Cost", "count", "count_module"), "network"),
    "ImageData": "data",
    "Classifier": "training.classifier",
    "train": "training.train",
}

__all__ = [
    "BAM",
    "CBAM",
    "CIFAR10",
    "CIFAR100",
    "ECA",
    "RELEASED_BAM",
    "SE",
    "SSD",
    "SVHN",
    "AfterStages",
    "AtLayers",
    "AttentionSpec",
    "BAMSpec",
    "BackboneSpec",
    "CBAMSpec",
    "Classifier",
    "ClutteredDigits",
    "CocoDetection",
    "ConfigError",
    "CoordinateAttention",
    "CoordinateAttentionSpec",
    "Cost",
    "DatasetSpec",
    "DenseNet",
    "DigitScenes",
    "Digits",
    "ECASpec",
    "EveryBlock",
    "ExtraBlockSpec",
    "FashionMNIST",
    "FasterRCNN",
    "FolderError",
    "GatherExcite",
    "GatherExciteSpec",
    "GlobalContext",
    "GlobalContextSpec",
    "ImageData",
    "ImageFolder",
    "ImageNet",
    "Metric",
    "MobileNet",
    "PreResNet",
    "Recipe",
    "ResNeXt29",
    "ResNeXt50",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "Result",
    "Run",
    "RunFolder",
    "SESpec",
    "SimAM",
    "SimAMSpec",
    "SmallResNet",
    "SqueezeNet",
    "TaskSpec",
    "Timm",
    "TimmAttention",
    "Torchvision",
    "TripletAttention",
    "TripletAttentionSpec",
    "VOCDetection",
    "WideResNet",
    "build",
    "count",
    "count_module",
    "flatten",
    "insert",
    "spec",
    "train",
]


def __getattr__(name: str) -> Any:
    """Load what needs torch when it is first asked for."""
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lightning_bam.{_WITH_TORCH[name]}"), name)
