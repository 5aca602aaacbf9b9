"""What a network must know for attention to find its place in it."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import nn

from lightning_bam.config import ConfigError


class Staged(nn.Module):
    """A network that names its stages and blocks, in the order in which an image passes them.

    Input `(N, in_channels, H, W)`, output `(N, classes)`; both H and W are at least `smallest`. A network chooses its
    stages so that what the paper calls its bottlenecks is behind all of them but the last.
    """

    smallest: ClassVar[int] = 1
    stages: list[str]
    blocks: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.stages = []
        self.blocks = []

    @property
    def bottlenecks(self) -> list[str]:
        """Names of the layers behind which the paper puts BAM: every stage but the last."""
        return self.stages[:-1]

    @abstractmethod
    def branch_end(self, block: str) -> str:
        """Return the layer behind which attention in this block stands.

        It ends the block's branch before what is added to or concatenated with it, or else the block itself.
        """

    def extra_block(self, channels: int) -> nn.Module:
        """Build one more block of this network's own kind, `(N, channels, H, W)` to the same shape.

        Raises:
            ConfigError: the network has no block that keeps its width.

        """
        raise ConfigError(
            f"attention=extra_block: a {type(self).__name__} has no block that keeps its {channels} channels; "
            "use another backbone"
        )
