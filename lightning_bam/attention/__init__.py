"""Attention modules and the one call that puts them into a network."""

from lightning_bam.attention.bam import BAM
from lightning_bam.attention.build import build_attention
from lightning_bam.attention.cbam import CBAM
from lightning_bam.attention.insert import insert
from lightning_bam.attention.se import SE

__all__ = ["BAM", "CBAM", "SE", "build_attention", "insert"]
