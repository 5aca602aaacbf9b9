"""Checkpoints that are whole or absent, also after a kill -9 in the middle of writing one."""

from __future__ import annotations

import errno
import lzma
import os
import pickle
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from lightning_bam.run_folder.files import FolderError, open_plain, put_in_place, refuse, system_error, unwritable
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import effective


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the old checkpoint and puts the new one in its place in one step.

    Lightning's own goes through the system's temporary folder, from where a file is copied, not renamed, if that is
    another file system.

    Args:
        folder: whose checkpoints it writes.

    """

    def __init__(self, folder: RunFolder | None = None) -> None:
        super().__init__()
        self.folder = folder

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Save to `path`.

        Raises:
            FolderError: it cannot be written, or its folder is a link; the old one is as it was.
            TakenOverError: another attempt has begun, whose the old one is.

        """
        refuse(Path(path).parent, stat.S_IFDIR)
        save(checkpoint, Path(path), follow=False, check=self._check)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove nothing: there is one checkpoint, and the next one takes its place."""

    def _check(self) -> None:
        if self.folder is not None:
            self.folder.check_attempt()


def save(content: dict[str, Any], final: Path, *, follow: bool, check: Callable[[], None] | None = None) -> None:
    """Write with `torch.save`, in one step.

    Args:
        content: what.
        final: where.
        follow: links, as for a file that the user names.
        check: raises where this process must not write there: asked before what another one may be writing is taken
            for a dead one's, and as late as can be.

    Raises:
        FolderError: it cannot be written; the old one is as it was.

    """
    check = check or (lambda: None)
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


DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    ValueError,
    OverflowError,
    EOFError,
    RuntimeError,
)
"""What reading a damaged archive may raise, beside some that the system does."""


def compressed(file: zipfile.ZipFile) -> str:
    """Say that an archive would take more memory than its file has bytes; empty for any that `torch.save` writes."""
    parts, size = file.infolist(), file.fp.seek(0, os.SEEK_END) if file.fp else 0
    if any(part.compress_type != zipfile.ZIP_STORED for part in parts) or sum(part.file_size for part in parts) > size:
        return "it is compressed, as torch.save writes none"
    return ""


def damage(path: Path) -> str:
    """Say what is wrong with a checkpoint file; empty where it is whole, or not there.

    torch writes a checksum with each part of the file, and does not look at it when it reads them.

    Raises:
        FolderError: it cannot be read, which says nothing of what it holds, or is no plain file.

    """
    try:
        with os.fdopen(open_plain(path), "rb") as raw, zipfile.ZipFile(raw) as file:
            if packed := compressed(file):
                return packed
            part = file.testzip()
    except FolderError:
        raise
    except FileNotFoundError:
        return ""
    except DAMAGED as error:
        return str(error).partition("\n")[0] or "it is torn"
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # bz2's word, and a place before the file's beginning
            raise FolderError(f"{path}: cannot be read ({error.strerror})") from None
        return "it is torn"
    return f"its part {part} is not what was written" if part else ""


def misfit(folder: RunFolder) -> str:
    """Say why a run cannot go on from its checkpoint, which is whole; empty where it can, or where there is none.

    Where two attempts have written to one folder, the checkpoint may be the one's and the record the other's.
    """
    try:
        saved = torch.load(folder.checkpoint, map_location="cpu", mmap=True, weights_only=True)
        # Lightning's own layout, as in `signals.CheckpointOnSignal`: `test_resume` tells when it moves
        known = int(saved["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])
        nonce = saved["callbacks"].get("Recorder", {}).get("nonce")  # older ones have none
    except FileNotFoundError:
        return ""
    except (*DAMAGED, KeyError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        return f"it is no checkpoint of a training ({type(error).__name__})"
    held = len(folder.lines())
    if not 0 <= known <= held:
        return f"it knows of {known} epochs, the record of {held}"
    attempts = [attempt.get("nonce") for attempt in effective(folder.manifest())]
    return "" if nonce is None or str(nonce) in attempts else "it is of an attempt that the record does not know"
