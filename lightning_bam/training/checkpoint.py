"""Checkpoints that are whole or absent, also after a kill -9 while one is written, and when they are written."""

import errno
import os
import pickle
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint

from lightning_bam.distributed import maximum
from lightning_bam.run_folder.files import FolderError, open_plain, put_in_place, refuse, system_error, unwritable
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.signals import Interruption, Signals
from lightning_bam.tensor_files import compressed


def _processed_epochs(checkpoint: dict[str, Any]) -> int:
    """Return how many epochs had ended, from where Lightning resumes: its own layout, held by `test_checkpoint`."""
    return int(checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])


def _restart_scoring(checkpoint: dict[str, Any]) -> None:
    """Let a scoring resume from its first batch: Lightning's own layout, held by `test_checkpoint`."""
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
    for part in ("total", "current"):
        progress[part] = {"ready": 1, "started": 1, "processed": 0, "completed": 0}


class LastCheckpoint(Checkpoint):
    """Saves after each epoch; Lightning's own, once resumed, removes the file whose path it finds in a checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Save, after all other callbacks."""
        trainer.save_checkpoint(self.path)


class CheckpointOnSignal(pl.Callback):
    """Writes a checkpoint and raises `Interruption`, on every rank, between two batches after any rank got a signal."""

    def __init__(self, path: Path, signals: Signals) -> None:
        self.path = path
        self.signals = signals

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """From here on there is something to save."""
        self.signals.defer()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """End; not behind an epoch's last batch, from where Lightning would go on without scoring the epoch."""
        if batch_idx + 1 < trainer.num_training_batches:
            self._end(trainer)

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """End; the scoring begins anew."""
        self._end(trainer)

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """Let what is saved in the middle of a scoring begin it anew: counts are not kept."""
        if trainer.validating:
            _restart_scoring(checkpoint)

    def _end(self, trainer: pl.Trainer) -> None:
        if number := maximum(self.signals.number, trainer.strategy.root_device):
            trainer.save_checkpoint(self.path)
            raise Interruption.by(number)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the old checkpoint, unlike Lightning's own, and puts the new one in its place in one step."""

    def __init__(self, folder: RunFolder | None = None) -> None:
        super().__init__()
        self.folder = folder

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Save to `path`; FolderError where it cannot be written or another attempt has begun: the old one stays."""
        refuse(Path(path).parent, stat.S_IFDIR)
        save(checkpoint, Path(path), follow=False, check=self.folder.check_attempt if self.folder else lambda: None)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove nothing: there is one checkpoint, and the next one takes its place."""


def save(content: dict[str, Any], final: Path, *, follow: bool, check: Callable[[], object] = lambda: None) -> None:
    """Write with `torch.save`, in one step; see `put_in_place` for `follow`.

    `check` raises where this process must not write: before a temporary file of another attempt is removed, and as late
    as can be. Raises FolderError: it cannot be written; the old one is as it was.
    """
    check()
    try:
        final.parent.mkdir(exist_ok=True)  # the run folder itself is not made again once it was removed
        for stale in final.parent.glob(f".{final.name}.*"):  # of an attempt that was killed here
            stale.unlink(missing_ok=True)
        with put_in_place(final, follow=follow) as temporary, temporary.open("xb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
            check()
    except (OSError, RuntimeError) as error:  # torch answers a full disk with one that says nothing of it
        refused = system_error(error)
        if refused is None:
            raise
        raise unwritable(final, refused) from None


DAMAGED: Final = (zipfile.BadZipFile, struct.error, ValueError, OverflowError, EOFError, RuntimeError)
"""What reading a damaged archive may raise, beside some that the system does."""


def damage(path: Path) -> str:
    """Say what is wrong with a checkpoint file, whose checksums torch ignores; empty where it is whole or absent.

    Raises FolderError: it cannot be read, which says nothing of what it holds, or is no plain file.
    """
    try:
        with os.fdopen(open_plain(path), "rb") as raw, zipfile.ZipFile(raw) as file:
            if reason := compressed(file):
                return reason
            part = file.testzip()
    except FolderError:
        raise
    except FileNotFoundError:
        return ""
    except DAMAGED as error:
        return str(error).partition("\n")[0] or "it is torn"
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the file's beginning
            raise FolderError(f"{path}: cannot be read ({error.strerror})") from None
        return "it is torn"
    return f"its part {part} is not what was written" if part else ""


def misfit(folder: RunFolder) -> str:
    """Say why a run cannot resume from its whole checkpoint, as one of another attempt; empty where it can."""
    try:
        checkpoint = torch.load(folder.checkpoint, map_location="cpu", mmap=True, weights_only=True)
        epochs = _processed_epochs(checkpoint)
        nonce = checkpoint["callbacks"].get("Recorder", {}).get("nonce")  # older ones have none
    except FileNotFoundError:
        return ""
    except (*DAMAGED, KeyError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        return f"it is no checkpoint of a training ({type(error).__name__})"
    lines = len(folder.lines())
    if not 0 <= epochs <= lines:
        return f"it knows of {epochs} epochs, the record of {lines}"
    attempts = [attempt.nonce for attempt in folder.manifest().effective]
    return "" if nonce is None or str(nonce) in attempts else "it is of an attempt that the record does not know"
