"""Runs that their machine loses: how a process group ended, how often is too often, and which disk is full."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path
from typing import Final

from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import MOST

RETRIES: Final = 3
"""How often a run that the machine loses is gone on with before the machine, or the run, is taken for broken."""

ASKED: Final = tuple(128 + number for number in (signal.SIGUSR1, signal.SIGUSR2))
"""Exit codes of runs that left because Slurm gave notice: no loss to be counted."""


def count_interruption(folder: RunFolder, code: int | None) -> str | None:
    """Note one more loss in the manifest of a run whose lock is held; return the line for one too many.

    Raises:
        FolderError: the manifest cannot be written.

    """
    if code in ASKED:
        return None
    return _count(folder, min(folder.manifest().losses + 1, MOST), ended_by(code))


def count_crash_of_scheduler(folder: RunFolder) -> bool:
    """Count the loss of a run whose scheduler went with it, so that nobody has; its lock is held.

    Say whether that was one too many. It is not counted where that attempt had ended an epoch: a run that gets on ends
    some day, however often its machine is taken.

    Raises:
        FolderError: the manifest cannot be read or written.

    """
    manifest = folder.manifest()
    if manifest.state != "running":
        return False
    begin, epochs = manifest.effective[-1].from_epoch, folder.last_epoch()[0]
    return (begin is None or epochs <= begin) and count_interruption(folder, None) is not None


def count_elsewhere(folder: RunFolder, losses: int, retries: int) -> bool:
    """Take over how often a run was interrupted on all hosts, where they share no folder; its lock is held.

    Say whether that was too often. What was counted here before another host tried the run again counts no more.

    Raises:
        FolderError: the manifest cannot be read or written.

    """
    manifest = folder.manifest()
    if manifest.tried_again != retries:
        folder.note(losses=0, tried_again=retries)
    elif losses <= manifest.losses:
        return False
    return losses > 0 and _count(folder, losses, "together with its host") is not None


def _count(folder: RunFolder, losses: int, how: str) -> str | None:
    if losses <= RETRIES:
        folder.note(state="interrupted", losses=losses)
        return None
    error = f"interrupted {losses} times, the last time {how}; see its logs, then --retry failed"
    folder.note(state="failed", cause="interrupted", error=error, losses=losses)
    return error


def ended_by(code: int | None) -> str:
    """Say how a process group ended."""
    if code is None:
        return "together with its scheduler, before an epoch had ended"
    if 0 <= code < 128:
        return f"its process left with code {code}"
    number = -code if code < 0 else code - 128
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"its process left with code {code}"
    memory = " (the kernel's out-of-memory killer, perhaps)" if number == signal.SIGKILL else ""
    return f"its process was ended by {name}{memory}"


def no_space(root: Path, folder: RunFolder | None = None) -> str:
    """Return the line for a full disk, which is the runs folder's unless a run can tell otherwise."""
    error = folder.manifest().error if folder is not None else None
    if folder is None or not error or str(folder.path.absolute()) in error:
        return f"{root}: no space left on its disk; make room, then the same command goes on"
    places = f"on the disk of {root}, in {tempfile.gettempdir()} or in /dev/shm"
    return f"no space left ({error}); make room {places}, then the same command goes on"
