"""Why a run ended before its end: what the first rank that crashed has to say, in a few named causes."""

from __future__ import annotations

import json
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from pydantic import TypeAdapter

from lightning_bam.config import ConfigError
from lightning_bam.run_folder.files import (
    FAULTY,
    FULL_DISK,
    FolderError,
    FullDiskError,
    read_text,
    system_error,
)
from lightning_bam.training.recorder import NotFiniteError, TrainingError

Cause = Literal["nan", "memory", "disk", "storage", "connection", "error"]

NO_MEMORY: Final = ("can't allocate memory", "not enough memory", "std::bad_alloc", "out of memory", "ALLOC_FAILED")
"""What torch's errors say where there is none left: its CPU allocator, C++'s, CUDA, cuBLAS and cuDNN."""
BROKEN: Final = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "remote process exited")
"""What gloo and NCCL say when another rank has ended."""
ADVICE: Final = (
    "recipe.batch_size is the global batch: more --devices-per-run, recipe.precision=bf16 or fewer --runs-per-device "
    "need less memory a device"
)
RECORD: Final = "crash.json"
LONGEST: Final = 20_000
"""Characters of a traceback that are kept, its end, and of an error's line, its beginning."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What went wrong, as the manifest holds it; `error` is one line.

    The cause is `nan` (a loss), `disk` where it is full, `storage` where it has failed, `connection` of another rank.
    """

    rank: int
    cause: Cause
    error: str
    traceback: str

    @classmethod
    def of(cls, error: BaseException, rank: int) -> Failure:
        """Describe an exception in one line, with its type where it is not one of ours."""
        cause = cause_of(error)
        line = (str(error).splitlines() or [""])[0][:LONGEST]
        if not isinstance(error, ConfigError | FolderError | TrainingError):
            line = f"{type(error).__name__}: {line}"
        if cause == "memory":
            line = f"out of memory ({line}); {ADVICE}"
        return cls(rank=rank, cause=cause, error=line, traceback="".join(traceback.format_exception(error))[-LONGEST:])

    @property
    def state(self) -> Literal["interrupted", "failed"]:
        """What the run is then: with a full or failed disk, or a broken connection, it can be resumed."""
        return "interrupted" if self.cause in ("disk", "storage", "connection") else "failed"

    def show(self) -> None:
        """Print the traceback, and the line as the last one, where there is room for them."""
        with suppress(OSError):
            print(f"{self.traceback}{self.error}", file=sys.stderr, flush=True)

    def record(self, folder: Path) -> None:
        """Write this for the ranks' parent, unless another rank is the cause: its connection broke, or it was first."""
        if self.cause != "connection":
            with suppress(OSError), (folder / RECORD).open("x") as file:  # also a full disk; the exit code says so
                json.dump(asdict(self), file)

    @classmethod
    def first(cls, folder: Path) -> Failure | None:
        """Return what the first rank that crashed has written."""
        try:
            return TypeAdapter(cls).validate_json(read_text(folder / RECORD))
        except (OSError, ValueError):
            return None


class RankError(TrainingError):
    """A rank of a group has failed, the first one if there are several; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        return f"rank {self.failure.rank}: {self.failure.error}"


def cause_of(error: BaseException) -> Cause:
    """Name what went wrong."""
    number = system.errno if (system := system_error(error)) else None
    if isinstance(error, FullDiskError) or number in FULL_DISK:
        return "disk"
    if number in FAULTY:
        return "storage"
    if isinstance(error, NotFiniteError):
        return "nan"
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "memory"
    if isinstance(error, RuntimeError):
        if any(words in str(error) for words in NO_MEMORY):
            return "memory"
        if isinstance(error, torch.distributed.DistError) or any(words in str(error) for words in BROKEN):
            return "connection"
    return "error"
