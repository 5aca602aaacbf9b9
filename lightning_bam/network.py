"""The network of a run: built, and its parameters and multiply-accumulates counted from one pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from lightning_bam.backbones.build import attended
from lightning_bam.config import ConfigError, Detector, Run
from lightning_bam.detection.network import build_detector
from lightning_bam.probe import blank_image, eval_mode
from lightning_bam.user_code.build import named, told
from lightning_bam.user_code.load import own_parts


@dataclass(frozen=True, kw_only=True)
class Cost:
    """`params` counts every weight; `macs` the multiply-accumulates of convs and FCs for one image.

    This is what the paper prints as GFLOPs (bam-facts: its figures are multiply-accumulates).
    """

    params: int
    macs: int


def build(run: Run) -> nn.Module:
    """Build the network of a run: images `(N, *run.dataset.shape)` to logits `(N, classes)`, or a detector.

    At equal seed the backbone's weights are the same whatever attention is in it, and an attention module's weights
    depend on the seed and on its place alone. The global random state is left as it was. Raises ConfigError: a stage
    that the backbone does not have, a reduction above the channels there, images that are too small for the backbone,
    an extra block where there is no place for one, or a detector without boxes.
    """
    return _built(run)[0]


def _built(run: Run) -> tuple[nn.Module, Callable[[], Any]]:
    """Build the network of a run; what comes with it passes one image through it, which has as much as it can have."""
    if run.detects:
        detector = build_detector(run)
        return detector.network, detector.most_work
    assert not isinstance(run.backbone, Detector)
    network = attended(run, run.backbone, run.dataset.shape)
    return network, lambda: network(blank_image(network, run.dataset.shape))


def count(run: Run) -> Cost:
    """Count the network of a run for one image of its dataset; ConfigError for one that cannot be built.

    The box head of a Faster R-CNN has as much work as an image gives it: counted is the most, `proposals` regions.
    """
    if own := own_parts(run):  # which may do more than the meta device knows
        network, work = _built(run)
        try:
            return _count(network, work)
        except Exception as error:
            raise ConfigError(f"{named(own[-1])}: the network fails with it: {told(error)}") from error
    with _WithoutBatchNorm():
        with torch.device("meta"):
            network, work = _built(run)
        return _count(network, work)


def count_module(module: nn.Module, input_shape: Sequence[int]) -> Cost:
    """Count any module for one input of `input_shape`, batch not included: `(C, H, W)` for a network of images.

    One blank input passes through it, where the module lies and in eval mode; nothing of that is kept.
    """
    return _count(module, lambda: module(blank_image(module, input_shape)))


class _WithoutBatchNorm(TorchFunctionMode):
    """Have batch norm give its input: none of what is counted is in it, and on meta it takes half of the time."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call `func`, but for batch norm."""
        return args[0] if func is F.batch_norm else func(*args, **(kwargs or {}))


def _count(module: nn.Module, work: Callable[[], Any]) -> Cost:
    counter = FlopCounterMode(display=False)
    with eval_mode(module), counter:
        work()
    return Cost(params=sum(weight.numel() for weight in module.parameters()), macs=counter.get_total_flops() // 2)
