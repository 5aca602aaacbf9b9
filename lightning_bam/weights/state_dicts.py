"""Weights in files: read without running what a file says, and loaded whole or refused with a list."""

import io
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from lightning_bam.config import Run
from lightning_bam.network import build
from lightning_bam.run_folder.files import FolderError, open_plain
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.training.checkpoint import compressed, save

WEIGHTS: Final = "weights.pt"
"""The file of a model folder that holds its network's state dict."""

COUNTER: Final = "num_batches_tracked"
"""What batch norms of torch before 0.4.1 did not keep; eval mode does not use it."""


def read_file(path: Path, *, follow: bool = True) -> Any:
    """Read what `torch.save` wrote, onto the CPU: tensors and plain containers, never code.

    With `follow` links are followed, as for a file that the user names; else `path` must be a plain file.

    Raises:
        FolderError: a file that is missing, torn or compressed, or that wants more than weights, with what it wants.

    """
    try:
        with path.open("rb") if follow else os.fdopen(open_plain(path), "rb") as file:
            content = io.BytesIO(file.read())
    except FileNotFoundError:
        raise FolderError(f"{path}: no such file") from None
    except OSError as error:
        raise FolderError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        if zipfile.is_zipfile(content) and (packed := compressed(zipfile.ZipFile(content))):
            raise FolderError(f"{path}: refused: {packed}; save it again with torch.save")
        content.seek(0)
        return torch.load(content, map_location="cpu", weights_only=True)
    except FolderError:
        raise
    except Exception as error:  # a torn file makes torch raise almost anything
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if wanted:
            raise FolderError(f"{path}: refused: it wants {wanted[1]} run, and weights need no code") from None
        raise FolderError(f"{path}: torn, or not written by torch.save ({type(error).__name__})") from None


def write_file(path: Path, content: Mapping[str, Any], *, follow: bool = True) -> None:
    """Write with `torch.save`, in one step: the old file or the new one, never a part; `follow` as in `read_file`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(dict(content), path, follow=follow)
    except OSError as error:
        raise FolderError(f"{path}: cannot be written ({error.strerror})") from None


def differences(wanted: Mapping[str, Tensor], state: Mapping[str, Any]) -> list[str]:
    """List every way in which `state` does not fit the state dict `wanted`, one line each; empty where it does."""
    shapes = {name: str(tuple(tensor.shape)) for name, tensor in wanted.items()}
    given = {name: _shape(value) for name, value in state.items()}
    lines = [f"unknown  {name}  {shape}" for name, shape in given.items() if name not in shapes]
    lines += [f"missing  {name}  {shape}" for name, shape in shapes.items() if name not in given]
    both = [name for name in shapes if name in given and given[name] != shapes[name]]
    return lines + [f"shape    {name}  {given[name]}, wanted {shapes[name]}" for name in both]


def _shape(value: Any) -> str:
    """Return the shape of a tensor of real numbers, each in its place; of anything else what it is."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    if value.is_nested or value.layout != torch.strided or value.is_quantized or value.is_complex():
        return "a tensor that is sparse, nested, quantized or complex"
    return "a tensor without numbers (on the device meta)" if value.is_meta else str(tuple(value.shape))


def load_network(path: Path, *, unfinished: bool = False) -> tuple[Run, nn.Module]:
    """Return the run of a run folder or model folder, and its network with its weights, in eval mode, on the CPU.

    With `unfinished` it takes also a run that is not complete, with the weights of its last whole epoch.

    Raises:
        FolderError: a folder without a run or weights, torn files, an unfinished run, weights of another network.
        ConfigError: a run whose network cannot be built.

    """
    folder = RunFolder(Path(path).resolve())  # the user names it, and may do so by a link
    run = folder.run()
    if folder.has(WEIGHTS):
        file = folder.path / WEIGHTS
        state = read_file(file, follow=False)
    else:
        file = folder.checkpoint
        state = _checkpoint_weights(folder, unfinished=unfinished)
    if not isinstance(state, Mapping):
        raise FolderError(f"{file}: holds {type(state).__name__}, not a state dict")
    network = build(run)
    problems = differences(network.state_dict(), state)
    if problems:
        raise FolderError(f"{file}: not the weights of run {run.key}: {len(problems)} differences, {problems[0]}")
    network.load_state_dict(state)
    return run, network.eval()


def _checkpoint_weights(folder: RunFolder, *, unfinished: bool) -> dict[str, Any]:
    """Return the network's part of a run's checkpoint."""
    state = folder.state()
    if not folder.has_checkpoint:
        raise FolderError(f"{folder.path}: holds neither {WEIGHTS} nor checkpoints/last.ckpt; the run is {state}")
    if state != "complete" and not unfinished:
        raise FolderError(
            f"{folder.path}: the run is {state}, not complete; train it to the end, or use --unfinished for the "
            "weights of its last epoch"
        )
    checkpoint = read_file(folder.checkpoint, follow=False)
    if not isinstance(checkpoint, Mapping) or not isinstance(checkpoint.get("state_dict"), Mapping):
        raise FolderError(f"{folder.checkpoint}: holds no state_dict; not a checkpoint of a run")
    return {str(name).removeprefix("network."): value for name, value in checkpoint["state_dict"].items()}


def save_model(path: Path, run: Run, network: nn.Module, **origin: Any) -> None:
    """Write a model folder, which must have no weights: `run.json`, `weights.pt`, and a manifest with its origin."""
    folder = RunFolder(Path(path))
    if folder.has(WEIGHTS) or folder.has_checkpoint:
        raise FolderError(f"{folder.path}: holds a network already; give another folder, or remove this one")
    folder.describe(run)
    write_file(folder.path / WEIGHTS, network.state_dict(), follow=False)
    folder.note(key=run.key, **origin)
