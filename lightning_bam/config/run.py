"""The one object that flows through the house."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from lightning_bam.config.attention import Attention
from lightning_bam.config.backbone import Backbone, SmallResNet
from lightning_bam.config.dataset import ClutteredDigits, Dataset
from lightning_bam.config.detection import Detector, Scenes
from lightning_bam.config.placement import AfterStages, Placement
from lightning_bam.config.recipe import Recipe
from lightning_bam.config.spec import ConfigError, changed, once, spec


def identity(item: Any) -> Any:
    """Return what of `item` can change a result: its kind and what differs from the defaults."""
    if not hasattr(item, "kind"):
        return item
    if hasattr(item, "canonical"):
        item = item.canonical()
    return {"kind": item.kind, **{name: identity(value) for name, value in changed(item).items()}}


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
        """Whether this run finds boxes in scenes; if not, it classifies images.

        Raises:
            ConfigError: a detector without boxes to learn, or boxes without a detector.

        """
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
        return hashlib.sha256(f'{self._unseeded}"seed":{self.seed}}}'.encode()).hexdigest()[:16]

    def at_seed(self, seed: int) -> Run:
        """Return this run at a seed that another run has taken: unchecked, in a tenth of the time of `replace`."""
        known = vars(self) | {"_unseeded": self._unseeded, "seed": seed}
        known.pop("key", None)
        run = object.__new__(Run)
        vars(run).update(known)
        return run

    @cached_property
    def _unseeded(self) -> str:
        """What the key is a hash of, up to the seed, which is the last of the names in order."""
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "seed"}
        if self.attention is None:
            del parts["placement"]
        elif isinstance(self.placement, AfterStages) and self.placement.stages == self._every_stage:
            parts["placement"] = AfterStages()
        for slot, _, knob in (name.partition(".") for name in self.idles):
            parts[slot] = {name: value for name, value in identity(parts[slot]).items() if name != knob}
        if self.score_on == "test":
            del parts["score_on"]
        return "{" + "".join(f'"{name}":{_text(parts[name])},' for name in sorted(parts))

    @property
    def _every_stage(self) -> tuple[int, ...]:
        return tuple(range(1, self.backbone.stages))


def _text(part: Any) -> str:
    return once(_canonical_json, part) if hasattr(part, "kind") else _canonical_json(part)


def _canonical_json(part: Any) -> str:
    return json.dumps(identity(part), sort_keys=True, separators=(",", ":"))
