"""The one object that flows through the house."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from lightning_bam.config.attention import AfterStages, Attention, Placement
from lightning_bam.config.backbone import Backbone, SmallResNet
from lightning_bam.config.dataset import ClutteredDigits, Dataset
from lightning_bam.config.detection import Detector, Scenes
from lightning_bam.config.recipe import Recipe
from lightning_bam.config.spec import ConfigError, changed, spec


def identity(item: Any) -> Any:
    """Return what of `item` can change a result: its kind and what differs from the defaults."""
    if not hasattr(item, "kind"):
        return dict(item) if isinstance(item, Mapping) else item
    cache = vars(item)
    if "_identity" not in cache:  # the runs of a row share their specs
        usual = item.canonical() if hasattr(item, "canonical") else item
        knobs = {name: identity(value) for name, value in changed(usual).items()}
        cache["_identity"] = {"kind": item.kind, **knobs}
    return cache["_identity"]


@spec
class Run:
    """One training run, completely: equal runs give equal results, so they are trained once.

    `score_on` is `test` for what may be reported, `held_out` (a fifth of train, which is then not trained on) for
    what a search selects on. Devices, workers, paths and logging are no part of a run.
    """

    kind: ClassVar[str] = "run"
    dataset: Dataset | Scenes = ClutteredDigits()
    backbone: Backbone | Detector = SmallResNet()
    attention: Attention | None = None
    placement: Placement = AfterStages()
    recipe: Recipe = Recipe()
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    score_on: Literal["test", "held_out"] = "test"

    @property
    def idles(self) -> frozenset[str]:
        """Flat names of the knobs that play no part because of what stands in another slot."""
        names: frozenset[str] = getattr(self.dataset, "idles", frozenset())
        return names

    @property
    def detects(self) -> bool:
        """Whether this run finds boxes in scenes, or classifies images; ConfigError for scenes or a detector alone."""
        scenes, detector = isinstance(self.dataset, Scenes), isinstance(self.backbone, Detector)
        if scenes and not detector:
            raise ConfigError(
                f"dataset={self.dataset.kind} has boxes to detect, backbone={self.backbone.kind} classifies images; "
                "use backbone=faster_rcnn with it as backbone.trunk, or another dataset"
            )
        if detector and not scenes:
            raise ConfigError(
                f"backbone={self.backbone.kind} detects boxes, dataset={self.dataset.kind} has none; use "
                "dataset=digit_scenes or dataset=coco_detection, or another backbone"
            )
        return detector

    @cached_property
    def key(self) -> str:
        """Sixteen hex digits: a hash of what differs from the defaults and can change the result."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.attention is None:
            del parts["placement"]
        elif self.placement == AfterStages(stages=tuple(range(1, self.backbone.stages))):
            parts["placement"] = AfterStages()
        if self.score_on == "test":
            del parts["score_on"]
        identities = {name: dict(identity(part)) if hasattr(part, "kind") else part for name, part in parts.items()}
        identities["kind"] = self.kind
        for slot, _, knob in (name.partition(".") for name in self.idles):
            identities[slot].pop(knob, None)
        return hashlib.sha256(json.dumps(identities, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]
