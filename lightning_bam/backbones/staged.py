"""What a network must know for attention to find its place in it."""

from __future__ import annotations

from typing import Protocol


class Staged(Protocol):
    """A network that names its stages and residual blocks, in the order in which an image passes them."""

    stages: list[str]
    blocks: list[str]

    def branch_end(self, block: str) -> str:
        """Return the layer that ends the residual branch of a block, before the addition."""
        ...
