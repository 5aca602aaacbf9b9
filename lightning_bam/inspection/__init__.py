"""What the attention modules of a trained network look at: their maps, their saturation, their receptive field.

`python -m lightning_bam.inspection` computes and writes numbers and arrays, so that a process without torch draws them.
"""

from lightning_bam.inspection.attended import attention_modules, module_inputs
from lightning_bam.inspection.field import FieldOfView, energy, reach, side_holding
from lightning_bam.inspection.maps import Maps, maps
from lightning_bam.inspection.saturation import HIGH, LOW, Saturation, saturation

__all__ = [
    "HIGH",
    "LOW",
    "FieldOfView",
    "Maps",
    "Saturation",
    "attention_modules",
    "energy",
    "maps",
    "module_inputs",
    "reach",
    "saturation",
    "side_holding",
]
