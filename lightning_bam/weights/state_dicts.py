"""A network with its weights in a folder: loaded whole, or refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from torch import nn

from lightning_bam.backbones.pretrained import unpretrained
from lightning_bam.config import Run
from lightning_bam.network import build
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.tensor_files import differences, read_file
from lightning_bam.training.checkpoint import save

WEIGHTS: Final = "weights.pt"
"""The file of a model folder that holds its network's state dict."""


def load_network(path: Path, *, unfinished: bool = False) -> tuple[Run, nn.Module]:
    """Return the run of a run folder or model folder, and its network with its weights, in eval mode, on the CPU.

    With `unfinished` it takes also a run that is not complete, with the weights of its last whole epoch. FolderError
    for a folder without a run or weights, torn files, an unfinished run, and weights of another network; ConfigError
    for a run whose network cannot be built.
    """
    folder = RunFolder(Path(path).resolve())  # the user names it, and may do so by a link
    run = folder.run()
    if folder.has(WEIGHTS):
        file = folder.path / WEIGHTS
        weights = read_file(file, follow=False)
        if not isinstance(weights, Mapping):
            raise FolderError(f"{file}: holds {type(weights).__name__}, not a state dict")
    elif not folder.has_checkpoint:
        state = folder.state()
        raise FolderError(f"{folder.path}: holds neither {WEIGHTS} nor checkpoints/last.ckpt; the run is {state}")
    elif not unfinished and (state := folder.state()) != "complete":
        raise FolderError(
            f"{folder.path}: the run is {state}, not complete; train it to the end, or use --unfinished for the "
            "weights of its last epoch"
        )
    else:
        file = folder.checkpoint
        content = read_file(file, follow=False)
        if not isinstance(content, Mapping) or not isinstance(content.get("state_dict"), Mapping):
            raise FolderError(f"{file}: holds no state_dict; not a checkpoint of a run")
        weights = {str(name).removeprefix("network."): value for name, value in content["state_dict"].items()}
    network = build(unpretrained(run))
    problems = differences(network.state_dict(), weights)
    if problems:
        raise FolderError(f"{file}: not the weights of run {run.key}: {len(problems)} differences, {problems[0]}")
    network.load_state_dict(weights)
    return run, network.eval()


def save_model(path: Path, run: Run, network: nn.Module, **origin: Any) -> None:
    """Write a model folder, which must have no weights: `run.json`, `weights.pt`, and a manifest with its origin."""
    folder = RunFolder(Path(path))
    if folder.has(WEIGHTS) or folder.has_checkpoint:
        raise FolderError(f"{folder.path}: holds a network already; give another folder, or remove this one")
    folder.describe(run)
    save(dict(network.state_dict()), folder.path / WEIGHTS, follow=False)
    folder.note(key=run.key, **origin)
