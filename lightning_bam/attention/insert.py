"""One call that puts attention into any network, at named layers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from torch import Tensor, nn

from lightning_bam.attention.build import build_attention
from lightning_bam.attention.probe import home, output_channels
from lightning_bam.config import Attention, ConfigError, nearest

WANTED: Final = "give a spec as BAMSpec(), or a function from channels to a module as `lambda channels: BAM(channels)`"
"""What `insert` takes."""


class Gate:
    """A forward hook that passes a layer's output through an attention module (survives deepcopy and pickle)."""

    def __init__(self, attention: nn.Module) -> None:
        self.attention = attention

    def __call__(self, layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:  # noqa: ARG002
        """Return the refined output."""
        refined: Tensor = self.attention(output)
        return refined


def insert(
    model: nn.Module,
    attention: Attention | Callable[[int], nn.Module],
    *,
    at: str | Iterable[str],
    input_shape: Sequence[int] = (3, 64, 64),
) -> nn.Module:
    """Put an attention module behind each named layer of `model`, in place, and return `model`.

    Each layer keeps its name and its state-dict keys, and its module becomes `<layer>.attention`; only a container
    that runs its children in a way of its own (torchvision's dense block) moves to `<layer>.layer`. The channels are
    found by passing one blank image through the network (in eval mode, without gradients; nothing of it is kept).

    Args:
        model: any network.
        attention: a spec such as `BAMSpec(reduction=8)`, or a function from channels to a module, called once a layer:
            `lambda channels: BAM(channels)`, or the class `BAM` itself.
        at: names as in `model.named_modules()`, each of a layer that is called once and gives `(N, C, H, W)`.
        input_shape: `(C, H, W)` of an image that the network accepts.

    Raises:
        ConfigError: an unknown layer (with the nearest name), one that holds attention already, one that is not
            reached or does not give `(N, C, H, W)`, a width below the spec's reduction, or an attention that is neither
            a spec nor a function that returns a module. The model is then as before.

    """
    made_by = issubclass(attention, nn.Module) if isinstance(attention, type) else callable(attention)
    if isinstance(attention, nn.Module) or not (made_by or isinstance(attention, Attention)):
        raise ConfigError(f"attention={_short(attention)}: {WANTED}")
    names = [at] if isinstance(at, str) else list(at)
    layers = dict(model.named_modules())
    for name in names:
        if name not in layers or not name:
            raise ConfigError(
                f"layer {name!r}: the network has none of that name; {nearest(name, filter(None, layers))}"
            )
        if hasattr(layers[name], "attention"):
            raise ConfigError(f"layer {name!r}: has something of the name 'attention' already")
        if names.count(name) > 1:
            raise ConfigError(f"layer {name!r}: named twice")
    widths = output_channels(model, names, input_shape)
    modules = []
    for name in names:
        try:
            made = attention(widths[name]) if callable(attention) else build_attention(attention, widths[name])
        except ConfigError as error:
            raise ConfigError(f"layer {name!r}: {error}") from None
        if not isinstance(made, nn.Module):
            raise ConfigError(f"layer {name!r}: attention gave {_short(made)} for {widths[name]} channels: {WANTED}")
        modules.append(made.to(*home(model)).train(layers[name].training))
    # the deepest first: wrapping a container moves what it holds
    for name, made in sorted(zip(names, modules, strict=True), key=lambda pair: -pair[0].count(".")):
        attach(model, name, made)
    return model


def _short(item: object) -> str:
    """Name what was given in one line: a module by its class, for its text has many."""
    return f"{type(item).__name__}(...)" if isinstance(item, nn.Module) else repr(item).partition("\n")[0]


def attach(model: nn.Module, name: str, attention: nn.Module) -> None:
    """Make `attention` the last thing that the layer `name` of `model` does."""
    layer = model.get_submodule(name)
    if type(layer).forward is nn.Sequential.forward:
        layer.add_module("attention", attention)
    elif isinstance(layer, nn.Sequential | nn.ModuleDict):  # its forward may walk its children: wrap it instead
        parent, _, child = name.rpartition(".")
        wrapped = nn.Sequential(OrderedDict(layer=layer, attention=attention))
        wrapped.training = layer.training
        model.get_submodule(parent).register_module(child, wrapped)
    else:
        layer.add_module("attention", attention)
        layer.register_forward_hook(Gate(attention))
