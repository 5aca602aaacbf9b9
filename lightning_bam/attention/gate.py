"""The gates of a network's attention modules: which modules have one, where, and when a value of it stands still."""

from typing import Any, Final

from torch import nn

from lightning_bam.attention.bam import BAM
from lightning_bam.attention.cbam import CBAM
from lightning_bam.attention.coordinate_attention import CoordinateAttention
from lightning_bam.attention.eca import ECA
from lightning_bam.attention.gather_excite import GatherExcite
from lightning_bam.attention.global_context import GlobalContext
from lightning_bam.attention.se import SE
from lightning_bam.attention.simam import SimAM
from lightning_bam.attention.triplet_attention import TripletAttention

Attention = BAM | SE | CBAM | ECA | SimAM | CoordinateAttention | GlobalContext | TripletAttention | GatherExcite
LOW: Final = 0.05
HIGH: Final = 0.95
"""A gate value below LOW or above HIGH counts as saturated; there the sigmoid's slope is below 0.0475, of 0.25 at 0."""


def gated_modules(network: nn.Module) -> dict[str, Any]:
    """Return the modules of `network` with a gate, in its order, by the layer they stand behind; empty without any.

    The method `gate` of a module maps what reaches it, `(N, C, H, W)`, to the factor before a residual or what is
    added, of a shape that broadcasts to that: BAM's `sigmoid(s_c + s_s)`. One of the user's own may have it, too. A
    global context that only adds has no gate.
    """
    return {
        name.removesuffix(".1").removesuffix(".attention"): module
        for name, module in network.named_modules()
        if _has_gate(name, module)
    }


def _has_gate(name: str, module: nn.Module) -> bool:
    if isinstance(module, GlobalContext):
        return module.scale is not None
    own = name.removesuffix(".1").endswith(".attention") and callable(getattr(module, "gate", None))
    return own or isinstance(module, Attention)
