"""Networks, each of which knows its stages and blocks by name, and `build`, which makes a run's network."""

from lightning_bam.backbones.build import build, build_backbone, places
from lightning_bam.backbones.resnet import ResNet

__all__ = ["ResNet", "build", "build_backbone", "places"]
