"""What a network must know for attention to find its place in it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_bam.config import ConfigError


class SharedDropout(nn.Dropout):
    """Dropout that draws for the global batch and takes this rank's share, `(n, ...)` of `(n * world, ...)`.

    Ranks whose generators are in one state so drop what one rank with the whole batch would: a sample's mask depends on
    its position in the global batch. Every rank must bring as many samples, in order of rank.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop entries of `x` in training, and scale the others by `1 / (1 - p)`."""
        if not self.training:
            return x
        rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        share = len(x)
        whole = F.dropout(x.new_ones(world * share, *x.shape[1:]), self.p)
        return x * whole[rank * share : (rank + 1) * share]


class SharedStochasticDepth(SharedDropout):
    """Stochastic depth (Huang et al., ECCV 2016), by image as torchvision's, that draws as `SharedDropout` does."""

    def forward(self, x: Tensor) -> Tensor:
        """Drop images of `x` `(N, ...)` in training, and scale the others by `1 / (1 - p)`."""
        if not self.training:
            return x
        return x * super().forward(x.new_ones(len(x), *(1 for _ in x.shape[1:])))


def he_normal(network: nn.Module) -> nn.Module:
    """Draw each conv's weights from N(0, 2 / fan_out) (He et al., ICCV 2015), in the order of `network.modules()`."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


class Staged(nn.Module):
    """A network that names its stages and blocks, in the order in which an image passes them.

    Input `(N, in_channels, H, W)`, output `(N, classes)`; both H and W are at least `smallest`. A network chooses its
    stages so that what the paper calls its bottlenecks is behind all of them but the last.
    """

    smallest: int = 1
    stages: list[str]
    blocks: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.stages = []
        self.blocks = []

    def add_stage(self, blocks: Iterable[nn.Module]) -> None:
        """Add the next of the stages `layer1`, `layer2` ..., of these blocks one after another."""
        name, stage = f"layer{len(self.stages) + 1}", nn.Sequential(*blocks)
        self.add_module(name, stage)
        self.stages.append(name)
        self.blocks += [f"{name}.{i}" for i in range(len(stage))]

    def pass_stages(self, x: Tensor) -> Tensor:
        """Return what the last stage gives where the first gets `x`."""
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return x

    @property
    def bottlenecks(self) -> list[str]:
        """Names of the layers behind which the paper puts BAM: every stage but the last."""
        return self.stages[:-1]

    def branch_end(self, block: str) -> str:
        """Return the layer behind which attention in this block stands.

        It ends the block's branch before what is added to or concatenated with it, or else it is the block itself.
        """
        return block

    def extra_block(self, channels: int) -> nn.Module:
        """Build one more block of this network's own kind, `(N, channels, H, W)` to the same shape, or ConfigError."""
        raise ConfigError(
            f"attention=extra_block: a {type(self).__name__} has no block that keeps its {channels} channels; "
            "use another backbone"
        )


class Residual(Staged):
    """A network of residual blocks, `block(channels, planes, stride)`, each of `expansion * planes` channels.

    The layer `end` of a block ends its branch, before the addition. The stride of a bottleneck lies on its 3x3 conv,
    or with `stride_on="1x1"` on the 1x1 conv before it.
    """

    def __init__(self, block: Callable[[int, int, int], Any], expansion: int, end: str, stride_on: str) -> None:
        super().__init__()
        self.block, self.expansion, self.end, self.stride_on = block, expansion, end, stride_on

    def add_stages(self, channels: int, width: int, depths: Sequence[int]) -> int:
        """Add stages behind a stem of `channels`, and return the channels of the last.

        Stage i has `depths[i]` blocks of `width * 2**i` planes; the first block of each but the first strides by 2.
        """
        for index, depth in enumerate(depths):
            planes, stage = width * 2**index, []
            for i in range(depth):
                block = self.block(channels, planes, 2 if index and i == 0 else 1)
                if self.stride_on == "1x1":
                    block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
                stage.append(block)
                channels = planes * self.expansion
            self.add_stage(stage)
        return channels

    def branch_end(self, block: str) -> str:
        """Return the layer that ends the residual branch of a block, before the addition."""
        return f"{block}.{self.end}"

    def extra_block(self, channels: int) -> nn.Module:
        """Build a residual block of stride 1, `(N, channels, H, W)` to the same shape."""
        return he_normal(self.block(channels, channels // self.expansion, 1))
