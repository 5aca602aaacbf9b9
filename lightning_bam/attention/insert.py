"""One call that puts attention into any network, at named layers."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from torch import Tensor, nn
from torchvision.ops import Permute

from lightning_bam.attention.build import build_attention
from lightning_bam.config import AttentionSpec, ConfigError, nearest
from lightning_bam.probe import outputs

WANTED: Final = "give a spec as BAMSpec(), or a function from channels to a module as `lambda channels: BAM(channels)`"
"""What `insert` takes."""


def refine(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:  # noqa: ARG001
    """Pass a layer's output through the module that is its `attention` now: a forward hook.

    The module may be replaced or removed like any other child; the layer's output is then as it says, or was.
    """
    attention = getattr(layer, "attention", None)
    refined: Tensor = output if attention is None else attention(output)
    return refined


def insert(
    model: nn.Module,
    attention: AttentionSpec | Callable[[int], nn.Module],
    *,
    at: str | Iterable[str],
    input_shape: Sequence[int] = (3, 64, 64),
) -> nn.Module:
    """Put an attention module behind each named layer of `model`, in place, and return `model`.

    Each layer keeps its name and its state-dict keys, and its module becomes `<layer>.attention`; only a container
    that runs its children in a way of its own (torchvision's dense block) moves to `<layer>.layer`. The channels are
    found by passing one blank image through the network (in eval mode, without gradients; nothing of it is kept), as
    are the device and the type of the attention. Where a layer gives `(N, H, W, C)`, as in torchvision's Swin, its
    attention is a sequence: to `(N, C, H, W)`, the module, and back.

    Args:
        model: any network.
        attention: a spec such as `BAMSpec(reduction=8)`, or a function from channels to a module, called once a layer:
            `lambda channels: BAM(channels)`, or the class `BAM` itself.
        at: names of layers, as in `model.get_submodule`, each called once.
        input_shape: `(C, H, W)` of an image that the network accepts.

    Raises ConfigError, and leaves the model as before: no layer, an unknown one, one that holds attention already, is
    not reached or gives no maps, a width below the spec's reduction, or an attention that is neither of the two.
    """
    made_by = issubclass(attention, nn.Module) if isinstance(attention, type) else callable(attention)
    if isinstance(attention, nn.Module) or not (made_by or isinstance(attention, AttentionSpec)):
        raise ConfigError(f"attention={_short(attention)}: {WANTED}")
    names = [at] if isinstance(at, str) else list(at)
    if not names:
        raise ConfigError("at=[]: name at least one layer")
    layers = dict(model.named_modules(remove_duplicate=False))
    for name in names:
        if name not in layers or not name:
            raise ConfigError(
                f"layer {name!r}: the network has none of that name; {nearest(name, filter(None, layers))}"
            )
        if hasattr(layers[name], "attention"):
            raise ConfigError(f"layer {name!r}: has something of the name 'attention' already")
        same = [other for other in names if layers.get(other) is layers[name]]
        if len(same) > 1:
            raise ConfigError(f"layer {name!r}: named {len(same)} times, as {', '.join(map(repr, same))}")
    modules = []
    for name, output in outputs(model, names, input_shape).items():
        channels = output.channels
        try:
            module = attention(channels) if callable(attention) else build_attention(attention, channels)
        except ConfigError as error:
            raise ConfigError(f"layer {name!r}: {error}") from None
        if not isinstance(module, nn.Module):
            raise ConfigError(f"layer {name!r}: attention gave {_short(module)} for {channels} channels: {WANTED}")
        module = module.to(output.map.device, output.map.dtype)
        if output.last:
            module = nn.Sequential(Permute([0, 3, 1, 2]), module, Permute([0, 2, 3, 1]))
        modules.append(module.train(layers[name].training))
    # the deepest first: wrapping a container moves what it holds
    for name, module in sorted(zip(names, modules, strict=True), key=lambda pair: -pair[0].count(".")):
        attach(model, name, module)
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
        wrapped = nn.Sequential(OrderedDict(layer=layer, attention=attention))
        wrapped.training = layer.training
        for parent in list(model.modules()):
            for child, there in list(parent._modules.items()):  # it may have several names
                if there is layer:
                    parent.register_module(child, wrapped)
    else:
        layer.add_module("attention", attention)
        if refine not in layer._forward_hooks.values():  # of one that was removed
            layer.register_forward_hook(refine)
