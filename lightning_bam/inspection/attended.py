"""A network's attention modules, by the name of the layer they stand behind, and what reaches them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from lightning_bam.attention import BAM, CBAM, SE
from lightning_bam.config import ConfigError

Attended = BAM | SE | CBAM


def attention_modules(network: nn.Module) -> dict[str, Attended]:
    """Return the attention modules of `network` in its own order, by the name of the layer they stand behind.

    Raises:
        ConfigError: there is none.

    """
    found = {
        name.removesuffix(".attention"): module
        for name, module in network.named_modules()
        if isinstance(module, Attended)
    }
    if not found:
        raise ConfigError("this network holds no BAM, SE or CBAM module; inspect a run with one of them")
    return found


def module_inputs(network: nn.Module, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Pass `images` `(N, C, H, W)` through `network` in its own mode.

    Returns:
        What reaches each attention module, `(N, c, h, w)` by name, and the network's output.

    """
    seen: dict[str, Tensor] = {}
    with _watching(network, seen):
        output: Tensor = network(images)
    return seen, output


@contextmanager
def _watching(network: nn.Module, seen: dict[str, Tensor]) -> Iterator[None]:
    def keeper(name: str) -> Any:
        def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen[name] = inputs[0]

        return keep

    hooks = [module.register_forward_pre_hook(keeper(name)) for name, module in attention_modules(network).items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
