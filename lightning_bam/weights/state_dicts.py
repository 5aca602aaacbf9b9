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

    With `follow` links are followed, as for a file that the user names; else `path` must be a plain file. FolderError
    for a file that is missing, torn or compressed, or that wants more than weights, with what it wants.
    """
    try:
        with path.open("rb") if follow else os.fdopen(open_plain(path), "rb") as file:
            content = io.BytesIO(file.read())
    except FileNotFoundError:
        raise FolderError(f"{path}: no such file") from None
    except OSError as error:
        raise FolderError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        reason = compressed(zipfile.ZipFile(content)) if zipfile.is_zipfile(content) else ""
        content.seek(0)
        weights = None if reason else torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # a torn file makes torch raise almost anything
        code = re.search(r"GLOBAL ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if code:
            raise FolderError(f"{path}: refused: it wants {code[1]} run, and weights need no code") from None
        raise FolderError(f"{path}: torn, or not written by torch.save ({type(error).__name__})") from None
    if reason:
        raise FolderError(f"{path}: refused: {reason}; save it again with torch.save")
    return weights


def differences(reference: Mapping[str, Tensor], state: Mapping[str, Any]) -> list[str]:
    """List every way in which `state` does not fit the state dict `reference`, one line each; empty where it does."""
    shapes = {name: str(tuple(tensor.shape)) for name, tensor in reference.items()}
    stored = {name: _shape(value) for name, value in state.items()}
    lines = [f"unknown  {name}  {shape}" for name, shape in stored.items() if name not in shapes]
    lines += [f"missing  {name}  {shape}" for name, shape in shapes.items() if name not in stored]
    both = [name for name in shapes if name in stored and stored[name] != shapes[name]]
    return lines + [f"shape    {name}  {stored[name]}, wanted {shapes[name]}" for name in both]


def _shape(value: Any) -> str:
    """Return the shape of a tensor of real numbers, each in its place; of anything else what it is."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    dense = value.layout == torch.strided and not (value.is_nested or value.is_quantized or value.is_meta)
    return str(tuple(value.shape)) if dense and not value.is_complex() else "a tensor of another kind"


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
    network = build(run)
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
