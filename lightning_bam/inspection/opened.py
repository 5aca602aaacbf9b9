"""A trained network, its attention modules by the name of the layer they stand behind, and what reaches them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from lightning_bam.attention import BAM, CBAM, SE
from lightning_bam.backbones import build
from lightning_bam.config import ConfigError, Run
from lightning_bam.files import FolderError
from lightning_bam.folder import RunFolder

PREFIX: Final = "network."
"""Where a run's checkpoint keeps its network."""

Attended = BAM | SE | CBAM


def open_network(path: Path) -> tuple[Run, nn.Module]:
    """Return the run of a run folder and its trained network in eval mode, on the CPU.

    Raises:
        FolderError: no checkpoint, or one that does not fit the run.

    """
    folder = RunFolder(path)
    run = folder.run()
    try:
        saved = torch.load(folder.checkpoint, map_location="cpu", weights_only=True)["state_dict"]
        network = build(run)
        network.load_state_dict({k.removeprefix(PREFIX): v for k, v in saved.items() if k.startswith(PREFIX)})
    except FileNotFoundError:
        raise FolderError(f"{folder.checkpoint}: no such file; train the run with `bam run` first") from None
    except (OSError, RuntimeError, KeyError) as error:
        raise FolderError(f"{folder.checkpoint}: does not fit the run ({str(error).splitlines()[0]})") from None
    return run, network.eval()


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
