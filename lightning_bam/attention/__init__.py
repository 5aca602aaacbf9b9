"""Attention modules and the one call that puts them into a network."""

from lightning_bam.attention.bam import BAM
from lightning_bam.attention.build import build_attention
from lightning_bam.attention.cbam import CBAM
from lightning_bam.attention.coordinate_attention import CoordinateAttention
from lightning_bam.attention.eca import ECA
from lightning_bam.attention.gather_excite import GatherExcite
from lightning_bam.attention.global_context import GlobalContext
from lightning_bam.attention.insert import insert
from lightning_bam.attention.se import SE
from lightning_bam.attention.simam import SimAM
from lightning_bam.attention.triplet_attention import TripletAttention

__all__ = [
    "BAM",
    "CBAM",
    "ECA",
    "SE",
    "CoordinateAttention",
    "GatherExcite",
    "GlobalContext",
    "SimAM",
    "TripletAttention",
    "build_attention",
    "insert",
]
