"""Where attention stands in a backbone: a rule, not a list of layers in each file."""

from __future__ import annotations

from typing import ClassVar

from lightning_bam.config.spec import spec


@spec
class AfterStages:
    """One module after each of these stages, counted from 1; `None` is all but the last (the paper's bottlenecks).

    Raises:
        ValueError: an empty, unordered or repeated list of stages, or a stage below 1.

    """

    kind: ClassVar[str] = "after_stages"
    stages: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Keep one spelling for one placement."""
        if self.stages is None:
            return
        if not self.stages or list(self.stages) != sorted(set(self.stages)) or self.stages[0] < 1:
            raise ValueError(
                f"stages must be stage numbers from 1, in order and each once, like 1,3; got {self.stages}"
            )


@spec
class EveryBlock:
    """One module in each residual block, on the residual branch before the addition (BAM-C of the paper)."""

    kind: ClassVar[str] = "every_block"


Placement = AfterStages | EveryBlock
