"""Checkpoints that are whole or absent, also after a kill -9 in the middle of writing one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the old checkpoint and puts the new one in its place in one step.

    Lightning's own goes through the system's temporary folder, from where a file is copied, not renamed, if that is
    another file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Save to `path`."""
        final = Path(path)
        final.parent.mkdir(parents=True, exist_ok=True)
        for stale in final.parent.glob(f".{final.name}.*"):  # of an attempt that was killed here
            stale.unlink(missing_ok=True)
        temporary = final.with_name(f".{final.name}.{os.getpid()}")
        with temporary.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)
