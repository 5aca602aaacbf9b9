"""Networks, each of which knows its stages and blocks by name."""

from lightning_bam.backbones.build import build_backbone, places
from lightning_bam.backbones.layers import Staged

__all__ = ["Staged", "build_backbone", "places"]
