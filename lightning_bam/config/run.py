"""The one object that flows through the house."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, InstanceOf

from lightning_bam.config.attention import AfterStages, AttentionSpec, Placement
from lightning_bam.config.backbone import BackboneSpec, SmallResNet
from lightning_bam.config.dataset import ClutteredDigits, DatasetSpec
from lightning_bam.config.detection import Detector, Scenes
from lightning_bam.config.recipe import Recipe
from lightning_bam.config.spec import ConfigError, Part, changed, spec
from lightning_bam.config.task import USUAL, TaskSpec
from lightning_bam.json_text import short


def plain(item: Any) -> Any:
    """Return `item` as plain JSON data: a spec with its kind, every field, and the hash of its code if it is own."""
    if isinstance(item, Mapping):
        return {name: plain(value) for name, value in item.items()}
    if not hasattr(item, "kind"):
        return list(item) if isinstance(item, tuple) else item
    data = {"kind": item.kind} | {field.name: plain(getattr(item, field.name)) for field in fields(item)}
    if not getattr(item, "code", ""):
        return data
    for name, value in data.items():
        if not all(
            isinstance(part, str | int | float | None) for part in (value if isinstance(value, list) else [value])
        ):
            raise ConfigError(
                f"{item.slot}.{name}={short(value)}: a knob of {type(item).__name__} must be a number, a text, True, "
                "False, None, or a tuple of these"
            )
    return data | {"code": item.code}


def identity(item: Any) -> Any:
    """Return what of `item` can change a result: its kind and what differs from the defaults.

    Of a user's own it is all that `run.json` has, so that a key can be checked where the class is not known.
    """
    if not hasattr(item, "kind"):
        return plain(item)
    if getattr(item, "code", ""):
        return plain(item)
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
    what a search selects on. `task` is what data and backbone imply unless it is given.

    Devices, workers, paths and logging are no part of a run.
    """

    kind: ClassVar[str] = "run"
    dataset: InstanceOf[DatasetSpec] = ClutteredDigits()
    backbone: InstanceOf[BackboneSpec] = SmallResNet()
    attention: InstanceOf[AttentionSpec] | None = None
    placement: Placement = AfterStages()
    recipe: Recipe = Recipe()
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    score_on: Literal["test", "held_out"] = "test"
    task: InstanceOf[TaskSpec] | None = None

    @property
    def idles(self) -> frozenset[str]:
        """Flat names of the knobs that play no part because of what stands in another slot."""
        return frozenset() if self.dataset.code else self.dataset.idles

    @property
    def packages(self) -> frozenset[str]:
        """Names of the optional packages that build parts of it."""
        parts = (getattr(self, field.name) for field in fields(self))
        return frozenset(part.package for part in parts if isinstance(part, Part) and part.package)

    @property
    def actual_task(self) -> TaskSpec:
        """What the network is trained for: the task, or what data and backbone imply; ConfigError as `detects`."""
        return self.task if self.task is not None and self.task.code else USUAL[self.detects]

    @property
    def detects(self) -> bool:
        """Whether this run finds boxes in scenes, or classifies images; ConfigError for scenes or a detector alone."""
        if self.task is not None and self.task.code:
            return False
        scenes, detector = isinstance(self.dataset, Scenes), isinstance(self.backbone, Detector)
        if scenes and not detector:
            raise ConfigError(
                f"dataset={self.dataset.kind} has boxes to detect, backbone={self.backbone.kind} classifies images; "
                "use backbone=faster_rcnn with it as backbone.trunk, or another dataset"
            )
        if detector and not scenes:
            raise ConfigError(
                f"backbone={self.backbone.kind} detects boxes, dataset={self.dataset.kind} has none; use "
                "dataset=digit_scenes, coco_detection or voc_detection, or another backbone"
            )
        if self.task not in (None, USUAL[detector]):
            raise ConfigError(
                f"task={self.task.kind}: with dataset={self.dataset.kind} and backbone={self.backbone.kind} it is "
                f"{USUAL[detector].kind}; leave it out"
            )
        return detector

    @cached_property
    def key(self) -> str:
        """Sixteen hex digits: a hash of what differs from the defaults and can change the result."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.attention is None:
            del parts["placement"]
        elif (count := self.backbone.stage_count) and self.placement == AfterStages(stages=tuple(range(1, count))):
            parts["placement"] = AfterStages()
        if self.score_on == "test":
            del parts["score_on"]
        if self.task is None or not self.task.code:
            del parts["task"]
        identities = {name: dict(identity(part)) if hasattr(part, "kind") else part for name, part in parts.items()}
        identities["kind"] = self.kind
        for slot, _, knob in (name.partition(".") for name in self.idles):
            identities[slot].pop(knob, None)
        return hashlib.sha256(json.dumps(identities, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]
