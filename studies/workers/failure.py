"""Why a run ended before its end: what the first rank that crashed has to say, in a few named causes."""

from __future__ import annotations

import json
import os
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from pydantic import TypeAdapter

from lightning_bam.config import ConfigError
from lightning_bam.json_text import parse
from lightning_bam.run_folder.files import (
    FAULTY,
    FULL_DISK,
    FolderError,
    FullDiskError,
    read_text,
    remove,
    system_error,
)
from lightning_bam.run_folder.folder import TakenOverError
from lightning_bam.training.recorder import NotFiniteError, TrainingError
from studies.job.job import TAKEN

Cause = Literal["nan", "memory", "disk", "storage", "connection", "error"]

NO_MEMORY: Final = ("can't allocate memory", "not enough memory", "std::bad_alloc", "out of memory", "ALLOC_FAILED")
"""What torch's errors say where there is none left: its CPU allocator, C++'s, CUDA, cuBLAS and cuDNN."""
BROKEN: Final = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "remote process exited")
"""What gloo and NCCL say when another rank has gone."""
LESS: Final = (
    "recipe.batch_size is the global batch: more --devices-per-run, recipe.precision=bf16 or fewer --runs-per-device "
    "need less memory a device"
)
RECORD: Final = "crash.json"
LONGEST: Final = 20_000
"""Characters of a traceback that are kept, its end, and of an error's line, its beginning."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What went wrong, as the manifest holds it.

    Attributes:
        rank: which rank.
        cause: `nan` (a loss that is not finite), `memory`, `disk` (it is full), `storage` (it has failed),
            `connection` (another rank has gone), or `error`.
        error: one line.
        traceback: Python's.

    """

    rank: int
    cause: Cause
    error: str
    traceback: str

    @classmethod
    def of(cls, error: BaseException, rank: int) -> Failure:
        """Describe an exception."""
        cause = cause_of(error)
        line = one_line(error)
        if cause == "memory":
            line = f"out of memory ({line}); {LESS}"
        told = "".join(traceback.format_exception(error))
        return cls(rank=rank, cause=cause, error=line, traceback=told[-LONGEST:])

    def show(self) -> None:
        """Print the traceback, and the line as the last one, as far as there is room for them."""
        with suppress(OSError):
            print(f"{self.traceback}{self.error}", file=sys.stderr, flush=True)

    def record(self, folder: Path) -> None:
        """Leave this for the ranks' parent, unless another rank has crashed before: it is the cause, we the victim."""
        with suppress(OSError):  # also a full disk; the exit code says so
            fd = os.open(folder / RECORD, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            with os.fdopen(fd, "w") as file:
                json.dump(asdict(self), file)

    @classmethod
    def first(cls, folder: Path) -> Failure | None:
        """Return what the first rank that crashed has left."""
        try:
            return TypeAdapter(cls).validate_python(parse(read_text(folder / RECORD)))
        except (OSError, ValueError):
            return None

    @staticmethod
    def forget(folder: Path) -> None:
        """Take away what an earlier attempt has left.

        Raises:
            FolderError: a folder is there.
            OSError: the system refuses.

        """
        remove(folder / RECORD)


class RankError(TrainingError):
    """A rank of a group has failed, the first one if there are several; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"rank {failure.rank}: {failure.error}")
        self.failure = failure

    def __reduce__(self) -> tuple[type[RankError], tuple[Failure]]:
        return RankError, (self.failure,)


class Interrupted(SystemExit):
    """The run was interrupted and can be resumed: `code` tells the scheduler how, `cause` the reader."""

    def __init__(self, code: int, cause: str) -> None:
        super().__init__(code)
        self.cause = cause


def taken_over(error: TakenOverError) -> int:
    """Say so in this process's log, and return its exit code; all else in the run folder is the other attempt's."""
    with suppress(OSError):
        print(f"{error}; this one leaves it alone", file=sys.stderr, flush=True)
    return TAKEN


def cause_of(error: BaseException) -> Cause:
    """Name what went wrong."""
    refused = system_error(error)
    if isinstance(error, FullDiskError) or (refused is not None and refused.errno in FULL_DISK):
        return "disk"
    if refused is not None and refused.errno in FAULTY:
        return "storage"
    if isinstance(error, NotFiniteError):
        return "nan"
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "memory"
    if isinstance(error, RuntimeError):
        text = str(error)
        if any(said in text for said in NO_MEMORY):
            return "memory"
        if isinstance(error, torch.distributed.DistError) or any(said in text for said in BROKEN):
            return "connection"
    return "error"


def one_line(error: BaseException) -> str:
    """Return what an error says in one line, with its type where it is not one of ours."""
    expected = isinstance(error, ConfigError | FolderError | TrainingError)
    first = (str(error).splitlines() or [""])[0][:LONGEST]
    return first if expected else f"{type(error).__name__}: {first}"
