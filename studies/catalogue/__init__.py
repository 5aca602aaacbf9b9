"""The studies that come with the package: one file each, named as the study, that defines `STUDY`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from lightning_bam.config import BAMSpec, Run
from studies.definition.presets import FINDINGS, PAPER, PRESETS
from studies.definition.settings import at_scale
from studies.definition.study import Preset


def bam(spec: BAMSpec | None = None, **knobs: Any) -> Run:
    """Return the paper's ResNet50 with BAM, or with this one, its knobs changed."""
    return replace(PAPER, attention=replace(spec or BAMSpec(), **knobs))


def presets(rows: Mapping[str, Run], varied: Iterable[str] = ()) -> dict[str, Preset]:
    """Return the scales at which rows without attention or with BAM can be asked; `varied` knobs of the recipe stay.

    At `findings` BAM's reduction is 4, not 16: the first stage has 16 channels, of which 16 would leave one.
    """

    def fewer(run: Run) -> Run:
        module = run.attention
        return replace(run, attention=replace(module, reduction=4)) if isinstance(module, BAMSpec) else run

    return PRESETS | {"findings": {row: fewer(at_scale(FINDINGS, run, varied)) for row, run in rows.items()}}
