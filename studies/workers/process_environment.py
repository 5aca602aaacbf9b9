"""A training process's surroundings: its parent's death, other launchers' variables, its log, its GPUs."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lightning_bam.run_folder.files import open_plain

LEAKY: Final = (
    "RANK",
    "NODE_RANK",
    "JSM_NAMESPACE_",
    "LOCAL_",
    "WORLD_SIZE",
    "GROUP_",
    "ROLE_",
    "MASTER_",
    "TORCHELASTIC_",
    "SLURM_",
    "PMI",
    "OMPI_",
    "PL_",
    "WANDB_SWEEP_",
)
"""Variables of other launchers that would make a run believe that it is a rank of something, those by which Lightning
fills in what a Trainer is not told, and those by which a W&B sweep gives all runs its own id and knobs."""
NEEDLESS: Final = (
    "WANDB_SERVICE",
    "WANDB_RUN_ID",
    "WANDB_RUN_GROUP",
    "WANDB_JOB_TYPE",
    "WANDB_NAME",
    "WANDB_RESUME",
    "WANDB_CONFIG_PATHS",
    "NVIDIA_TF32_OVERRIDE",
    "BAM_STORAGE",
    "PGPASSWORD",
)
"""Variables that a run has no use for: the service of another W&B, what another program's W&B run is called, what makes
cuBLAS and cuDNN round 32 bits to 19, and what opens the database of its scheduler."""

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
    """Forget `LEAKY` and `NEEDLESS` variables: a run is what its `Run` says, whatever the environment does.

    It has a W&B service of its own: another's may be gone, or go, and with it the run's record. Variables that change
    figures and that libraries read as they are loaded stay, and are recorded (`lightning_bam.run_folder.provenance`).
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
