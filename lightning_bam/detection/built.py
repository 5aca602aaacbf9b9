"""What every detector gives to those who train, score and count it."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class BuiltDetector:
    """A detector of torchvision's kind: a list of images `(C, H, W)` in, losses by name or found boxes out.

    `heads` are the layers from whose numbers boxes are made: where one gives no finite number, torchvision drops the
    box without a word. `most_work` passes one blank image of the run's data through all that has weights, with as much
    to do as an image can give.
    """

    network: nn.Module
    heads: tuple[nn.Module, ...]
    most_work: Callable[[], None]
