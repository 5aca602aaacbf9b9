"""Weights from a file that the user names, put into a network that a run begins with."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lightning_bam.backbones.library import title
from lightning_bam.config import ConfigError, LibraryNet, Run, data_dir
from lightning_bam.run_folder.files import FolderError
from lightning_bam.tensor_files import COUNTER, differences, read_file


def load_weights(network: nn.Module, spec: LibraryNet, heads: Sequence[str]) -> None:
    """Load the file that `spec` names, if it does, into its network; a network on the meta device has no values.

    The layers `heads` stay as they were drawn where the file has none of their shape. What was loaded is noted as
    `network.pretrained`. ConfigError: a file that is missing, is another than `spec.sha256` says, or does not fit.
    """
    if spec.weights is None or next(network.parameters()).is_meta:
        return
    path = data_dir() / spec.weights
    try:
        _check_hash(path, str(spec.sha256))
        stored = _state_dict(path)
    except FolderError as error:
        raise ConfigError(f"backbone.weights: {error}") from None
    wanted = network.state_dict()
    drawn = [
        name
        for name, tensor in wanted.items()
        if name.startswith(tuple(f"{head}." for head in heads)) and _shape(stored.get(name)) != tensor.shape
    ]
    unused = {name for name in wanted if name.endswith(COUNTER) and name not in stored}
    rest = {name: tensor for name, tensor in wanted.items() if name not in unused.union(drawn)}
    found = {name: tensor for name, tensor in stored.items() if name not in drawn}
    if problems := differences(rest, found):
        raise ConfigError(
            f"backbone.weights: {path}: not the weights of {title(spec)}: {len(problems)} differences, "
            f"{' '.join(problems[0].split())}"
        )
    network.load_state_dict(found, strict=False)
    left = f", {', '.join(drawn)} drawn" if drawn else ""
    network.pretrained = f"{path.name} (sha256 {str(spec.sha256)[:16]}): {len(found)} tensors{left}"  # type: ignore[assignment]


def unpretrained(run: Run) -> Run:
    """Return the run without a file of weights: the same network, whose values come from elsewhere."""
    if not isinstance(run.backbone, LibraryNet):
        return run
    backbone: Any = run.backbone
    return replace(run, backbone=replace(backbone, weights=None, sha256=None))


def _check_hash(path: Path, expected: str) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise FolderError(f"{path}: no such file") from None
    except OSError as error:
        raise FolderError(f"{path}: cannot be read ({error.strerror})") from None
    if not digest.startswith(expected):
        raise FolderError(f"{path}: its SHA-256 is {digest}, not {expected} ...; name the file that was meant")


def _state_dict(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        return _safetensors(path)
    content = read_file(path)
    for name in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping):
        raise FolderError(f"{path}: holds {type(content).__name__}, not a state dict")
    return content


def _safetensors(path: Path) -> Mapping[str, Tensor]:
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise FolderError(f"{path}: reading it needs safetensors: pip install 'lightning-bam[timm]'") from None
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except Exception as error:  # its own, of a torn file
        raise FolderError(f"{path}: torn, or not written by safetensors ({type(error).__name__})") from None
    return tensors


def _shape(value: object) -> object:
    return value.shape if isinstance(value, Tensor) else None
