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
from lightning_bam.config.placement import AfterStages, Placement
from lightning_bam.config.recipe import Recipe
from lightning_bam.config.spec import changed, spec


def identity(item: Any) -> Any:
    """Return what of `item` can change a result: its kind and what differs from the defaults."""
    if hasattr(item, "canonical"):
        item = item.canonical()
    return {"kind": item.kind, **changed(item)} if hasattr(item, "kind") else item


@spec
class Run:
    """One training run, completely: equal runs give equal results, so they are trained once.

    `score_on` is `test` for what may be reported, `held_out` (a fifth of train, which is then not trained on) for
    what a search selects on. Devices, workers, paths and logging are no part of a run.
    """

    kind: ClassVar[str] = "run"
    dataset: Dataset = ClutteredDigits()
    backbone: Backbone = SmallResNet()
    attention: Attention | None = None
    placement: Placement = AfterStages()
    recipe: Recipe = Recipe()
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    score_on: Literal["test", "held_out"] = "test"

    @cached_property
    def key(self) -> str:
        """Sixteen hex digits: a hash of what differs from the defaults and can change the result."""
        parts = {name: identity(getattr(self, name)) for name in self.__dataclass_fields__}
        if self.attention is None:
            del parts["placement"]
        elif self.placement == AfterStages(stages=tuple(range(1, self.backbone.stages))):
            parts["placement"] = identity(AfterStages())
        if self.score_on == "test":
            del parts["score_on"]
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
