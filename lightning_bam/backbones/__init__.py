"""Networks, each of which knows its stages and blocks by name."""

from lightning_bam.backbones.build import build_backbone, places
from lightning_bam.backbones.densenet import DenseNet
from lightning_bam.backbones.layers import Staged
from lightning_bam.backbones.mobilenet import MobileNet
from lightning_bam.backbones.preact import PreActResNet
from lightning_bam.backbones.resnet import ResNet
from lightning_bam.backbones.squeezenet import SqueezeNet

__all__ = [
    "DenseNet",
    "MobileNet",
    "PreActResNet",
    "ResNet",
    "SqueezeNet",
    "Staged",
    "build_backbone",
    "places",
]
