"""Any attention module of timm, by its name there."""

from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Any, Final

from torch import Tensor, nn

from lightning_bam.config import ConfigError, nearest
from lightning_bam.user_code.build import told

NAMES: Final = (
    *("se", "ese", "eca", "ecam", "ceca", "ge", "gc", "gca", "cbam", "lcbam", "coord", "scoord", "ela", "strip"),
    *("sk", "splat", "lambda", "bottleneck", "halo", "nl", "bat"),
)
"""Names that timm 1.0.31 knows, for a hint; it has no list of them."""


def import_timm(what: str) -> ModuleType:
    """Import timm; ConfigError, in which `what` needs it, where it cannot be."""
    try:
        import timm
    except ImportError as error:
        why = "" if isinstance(error, ModuleNotFoundError) and error.name == "timm" else f" ({told(error)})"
        raise ConfigError(f"{what}: needs the package timm{why}: pip install 'lightning-bam[timm]'") from None
    module: ModuleType = timm
    return module


class TimmAttention(nn.Module):
    """What `timm.layers.create_attn(name, channels, **arguments)` makes, on X of shape `(N, C, H, W)`.

    ConfigError: timm is not installed, a name that it does not know, or arguments that its module does not take.
    """

    def __init__(self, channels: int, *, name: str, arguments: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__()
        version = import_timm("attention=timm").__version__
        from timm.layers import get_attn

        try:
            cls = get_attn(name)
        except AssertionError:
            raise ConfigError(
                f"attention.name={name}: timm {version} has no attention of that name; {nearest(name, NAMES)}"
            ) from None
        try:
            self.module: nn.Module = cls(channels, **arguments)
        except Exception as error:  # whatever it says of its arguments
            raise ConfigError(f"attention=timm {name}: not made for {channels} channels: {told(error)}") from error

    def forward(self, x: Tensor) -> Tensor:
        """Refine X of shape `(N, C, H, W)`; the shape is kept."""
        y: Tensor = self.module(x)
        return y
