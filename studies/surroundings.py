"""A training process's surroundings: its parent's death, other launchers' variables, its log, its GPUs."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lightning_bam.files import open_plain

LEAKY: Final = (
    "RANK",
    "LOCAL_",
    "WORLD_SIZE",
    "GROUP_",
    "ROLE_",
    "MASTER_",
    "TORCHELASTIC_",
    "SLURM_",
    "PMI",
    "OMPI_",
)
"""Variables of other launchers that would make a run believe that it is a rank of something."""
NEEDLESS: Final = ("WANDB_SERVICE", "BAM_STORAGE", "PGPASSWORD")
"""Variables that a run has no use for: the service of another W&B, and what opens the database of its scheduler."""

SERVER: Final = os.getpid()
"""The process that loaded this module: the server that runs are forked from."""


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux), so that no rank outlives its group."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def die_with_server() -> None:
    """Do so, and leave at once if the server has died between its fork and now: its scheduler believes it failed."""
    die_with_parent()
    if os.getppid() != SERVER:
        os._exit(128 + signal.SIGKILL)


def scrub() -> None:
    """Forget what other launchers left in the environment, a database's password, and another process's W&B service.

    A run has a service of its own: another's may be gone, or go, and with it the run's record.
    """
    for name in list(os.environ):
        if name.startswith(LEAKY) or name in NEEDLESS:
            del os.environ[name]


def redirect(log: Path) -> None:
    """Append all that this process prints, from Python or below, to `log`.

    Raises:
        FolderError: something else than a plain file is there.

    """
    fd = open_plain(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.set_blocking(fd, True)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def visible(gpus: Sequence[int], before: str | None) -> str:
    """Return CUDA_VISIBLE_DEVICES for these GPUs, which are counted among those that were visible `before`."""
    names = [name.strip() for name in before.split(",")] if before is not None else None
    return ",".join(str(index) if names is None else names[index] for index in gpus)
