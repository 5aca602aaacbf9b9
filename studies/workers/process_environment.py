"""A training process's environment: its parent's death, other launchers' variables, its log, its GPUs."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Final

from lightning_bam.run_folder.files import open_plain

LEAKY: Final = (
    *("RANK", "NODE_RANK", "LOCAL_", "WORLD_SIZE", "GROUP_", "ROLE_", "MASTER_", "TORCHELASTIC_"),  # torch's launcher
    *("JSM_NAMESPACE_", "SLURM_", "PMI", "OMPI_"),  # other launchers, by which a run would be a rank of something
    "PL_",  # by which Lightning fills in what a Trainer lacks
    *("WANDB_SWEEP_", "WANDB_SERVICE", "WANDB_RUN_", "WANDB_JOB_TYPE"),  # another W&B run, or a sweep
    *("WANDB_NAME", "WANDB_RESUME", "WANDB_CONFIG_PATHS"),
    "NVIDIA_TF32_OVERRIDE",  # makes cuBLAS and cuDNN round 32 bits to 19
    *("BAM_STORAGE", "PGPASSWORD"),  # what opens the database of its scheduler
)
"""How variables begin that change a run, or that it should not have."""

_changing: Final = RLock()


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set these variables meanwhile, for processes that are started; one thread at a time."""
    with _changing:
        before = dict(os.environ)
        os.environ.update(values)
        try:
            yield
        finally:
            for name in values:
                del os.environ[name]
                os.environ.update({name: before[name]} if name in before else {})


@contextmanager
def no_main() -> Iterator[None]:
    """Hide the program meanwhile: a process that is started would run it again, with all that a script does.

    Classes of the user's own are read from their files instead (`lightning_bam.user_code.load`).
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux), so that no rank outlives its group."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def scrub() -> None:
    """Delete `LEAKY` variables: a run is what its `Run` says, whatever the environment does."""
    for name in list(os.environ):
        if name.startswith(LEAKY):
            del os.environ[name]


def redirect(log: Path) -> None:
    """Append all that this process prints, from Python or below, to `log`, a plain file."""
    fd = open_plain(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.set_blocking(fd, True)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def visible(gpus: Sequence[int], before: str | None) -> str:
    """Return CUDA_VISIBLE_DEVICES for these GPUs, which are counted among those that were visible `before`."""
    names = [name.strip() for name in before.split(",")] if before is not None else None
    return ",".join(str(index) if names is None else names[index] for index in gpus)
