"""The studies that come with the package: one file each, named as the study, that defines `STUDY`."""

from dataclasses import replace
from typing import Any

from lightning_bam.config import BAMSpec, Run
from studies.definition.presets import PAPER


def bam(spec: BAMSpec | None = None, **knobs: Any) -> Run:
    """Return the paper's ResNet50 with BAM, or with this one, its knobs changed."""
    return replace(PAPER, attention=replace(spec or BAMSpec(), **knobs))
