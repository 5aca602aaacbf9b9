"""Checkpoints that are whole or absent, also after a kill -9 in the middle of writing one."""

from __future__ import annotations

import errno
import lzma
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from lightning_bam.files import FolderError, open_plain, put_in_place, refuse, system_error, unwritable


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the old checkpoint and puts the new one in its place in one step.

    Lightning's own goes through the system's temporary folder, from where a file is copied, not renamed, if that is
    another file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Save to `path`.

        Raises:
            FolderError: it cannot be written, or its folder is a link; the old one is as it was.

        """
        refuse(Path(path).parent, stat.S_IFDIR)
        save(checkpoint, Path(path), follow=False)


def save(content: dict[str, Any], final: Path, *, follow: bool) -> None:
    """Write with `torch.save`, in one step.

    Args:
        content: what.
        final: where.
        follow: links, as for a file that the user names.

    Raises:
        FolderError: it cannot be written; the old one is as it was.

    """
    try:
        final.parent.mkdir(exist_ok=True)  # the run folder itself is not made again once it was removed
        for stale in final.parent.glob(f".{final.name}.*"):  # of an attempt that was killed here
            stale.unlink(missing_ok=True)
        with put_in_place(final, follow=follow) as temporary, temporary.open("xb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
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


def damage(path: Path) -> str:
    """Say what is wrong with a checkpoint file; empty where it is whole, or not there.

    torch writes a checksum with each part of the file, and does not look at it when it reads them.

    Raises:
        FolderError: it cannot be read, which says nothing of what it holds, or is no plain file.

    """
    try:
        with os.fdopen(open_plain(path), "rb") as raw, zipfile.ZipFile(raw) as file:
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
