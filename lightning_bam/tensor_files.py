"""Files that `torch.save` wrote, read without running what they say, and how what they hold differs from a network."""

import io
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from lightning_bam.run_folder.files import FolderError, open_plain

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


def compressed(file: zipfile.ZipFile) -> str:
    """Say that an archive would take more memory than its file has bytes; empty for any that `torch.save` writes."""
    parts, size = file.infolist(), file.fp.seek(0, os.SEEK_END) if file.fp else 0
    if any(part.compress_type != zipfile.ZIP_STORED for part in parts) or sum(part.file_size for part in parts) > size:
        return "it is compressed, as torch.save writes none"
    return ""


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
