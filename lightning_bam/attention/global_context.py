"""The global context block of GCNet (Cao, Xu, Lin, Wei, Hu, ICCVW 2019, arXiv 1904.11492)."""

from typing import Literal

import torch
from torch import Tensor, nn

from lightning_bam.attention.layers import hidden_channels
from lightning_bam.config import ConfigError, GlobalContextSpec, construct


class GlobalContext(nn.Module):
    """`Y = X + t(z)` on X of shape `(N, C, H, W)`, z a mean over its positions, the same for all of them:

        z = sum_p softmax_p(W_k X_p) X_p        (N, C)
        t = W2 relu(LN(W1 z))                   C // r hidden channels

    Args:
        channels: C of the input.
        reduction: r.
        pooling: `attention` as above, or the `average` of the positions.
        fusion: `add` t, `scale` to `Y = sigmoid(t) X`, or `both`, with two transforms, `Y = sigmoid(t) X + t'`.
        hidden_norm: the layer norm LN.
        released_init: W2 and its bias start at 0, so that `add` starts as the identity, and W_k is drawn from
            N(0, 2 / C), as in the released code; else all start as torch's own.

    The released code gives W_k a bias, which the softmax takes away again: it never learns and is left out here.

    ConfigError for a knob outside its range, for fewer channels than `reduction`, and for one hidden channel with a
    layer norm, which would make it a constant.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        pooling: Literal["attention", "average"] = "attention",
        fusion: Literal["add", "scale", "both"] = "add",
        hidden_norm: bool = True,
        released_init: bool = False,
    ) -> None:
        super().__init__()
        knobs: GlobalContextSpec = construct(
            GlobalContextSpec,
            {
                "reduction": reduction,
                "pooling": pooling,
                "fusion": fusion,
                "hidden_norm": hidden_norm,
                "released_init": released_init,
            },
            "GlobalContext",
        )
        hidden = hidden_channels(channels, knobs.reduction)
        if knobs.hidden_norm and hidden == 1:
            raise ConfigError(
                f"reduction={knobs.reduction}: of {channels} channels it leaves one, which its layer norm makes a "
                f"constant; use a reduction of at most {channels // 2}, or hidden_norm=False"
            )
        self.weigh = nn.Conv2d(channels, 1, 1, bias=False) if knobs.pooling == "attention" else None
        self.add = transform(channels, hidden, knobs) if knobs.fusion != "scale" else None
        self.scale = transform(channels, hidden, knobs) if knobs.fusion != "add" else None
        if knobs.released_init and self.weigh is not None:
            nn.init.kaiming_normal_(self.weigh.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Refine `x` of shape `(N, C, H, W)`; the shape is kept."""
        context = self.context(x)
        y = x
        if self.scale is not None:
            y = y * torch.sigmoid(self.scale(context))[:, :, None, None]
        if self.add is not None:
            y = y + self.add(context)[:, :, None, None]
        return y

    def gate(self, x: Tensor) -> Tensor:
        """Return the factor `(N, C, 1, 1)` of a block that scales, before what is added."""
        return torch.sigmoid(self.logits(x))

    def context(self, x: Tensor) -> Tensor:
        """Return z `(N, C)`."""
        if self.weigh is None:
            return x.mean(dim=(2, 3))
        weights = torch.softmax(self.weigh(x).flatten(1), dim=1)
        return (x.flatten(2) @ weights[:, :, None])[:, :, 0]

    def logits(self, x: Tensor) -> Tensor:
        """Return the map before the sigmoid, `(N, C, 1, 1)`, of a block that scales."""
        assert self.scale is not None
        logits: Tensor = self.scale(self.context(x))
        return logits[:, :, None, None]


def transform(channels: int, hidden: int, knobs: GlobalContextSpec) -> nn.Sequential:
    """Build `(N, C) -> (N, C)` through the hidden channels."""
    layers: list[nn.Module] = [nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels)]
    if knobs.hidden_norm:
        layers.insert(1, nn.LayerNorm(hidden))
    if knobs.released_init:
        for last in layers[-1].parameters():
            nn.init.zeros_(last)
    return nn.Sequential(*layers)
