"""What becomes of a run that somebody takes or loses: one table, for the run folder and for the database alike.

    event         state        -> state        losses  retries
    take          missing      -> running
    take          interrupted  -> running
    take          pruned       -> running
    retry         failed       -> running      0       +1
    interruption  running      -> interrupted  +1
    exhaustion    running      -> failed       +1
    prune         running      -> pruned

Whatever is not in it is refused: nobody takes what is complete, or what has failed unless that failure is retried. A
run is `running` while somebody holds it: in the folder by its lock (the worker writes `running` once it trains), in the
database by a heartbeat. It is interrupted where its process group, its scheduler or its host ends without a word, and
exhausted at the interruption after `RETRIES` of them. The worker itself writes `complete`, `failed` and `pruned`.
"""

import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple

from lightning_bam.config import Run
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import MOST, Manifest, after_failure
from studies.coordination.coordination import Counts, Entry

RETRIES: Final = 3
"""How often an interrupted run is resumed before the machine, or the run, is taken for broken."""

NOTICES: Final = tuple(128 + number for number in (signal.SIGUSR1, signal.SIGUSR2))
"""Exit codes of runs that left because Slurm gave notice: no interruption to be counted."""


class Change(NamedTuple):
    """The state after an event, and how it changes the counters: not at all, to 0, or by one."""

    state: str
    losses: Literal["", "0", "+1"] = ""
    retries: Literal["", "0", "+1"] = ""


TABLE: Final = {
    ("take", "missing"): Change("running"),
    ("take", "interrupted"): Change("running"),
    ("take", "pruned"): Change("running"),
    ("retry", "failed"): Change("running", "0", "+1"),
    ("interruption", "running"): Change("interrupted", "+1"),
    ("exhaustion", "running"): Change("failed", "+1"),
    ("prune", "running"): Change("pruned"),
}
"""(event, state) -> what becomes of it."""
ENDED: Final = ("complete", "failed")
"""States that `take` does not begin from."""


@dataclass(frozen=True)
class FailedAttempt:
    """Which failed attempt of a run is retried, and no later one: by how often the run had been retried before, and by
    the attempt's last heartbeat; None where it has not failed here, or on no other host.
    """

    retries: int | None
    beat: datetime | None


def failures(root: Path, runs: Iterable[Run], entries: Mapping[str, Entry]) -> dict[str, FailedAttempt]:
    """Return by key which attempts of `runs` have failed by now, here or by the entries of all hosts."""
    attempts = {}
    for run in runs:
        entry, manifest = entries.get(run.key), RunFolder.of(root, run).manifest()
        beat = entry.beat if entry is not None and entry.state == "failed" else None
        attempts[run.key] = FailedAttempt(_retries(manifest), beat)
    return attempts


def ended(root: Path, runs: Iterable[Run], entries: Mapping[str, Entry]) -> set[str]:
    """Return the keys of those of `runs` that are complete or have failed, here or by the entries of all hosts."""
    keys = {key for key, entry in entries.items() if entry.state in ENDED}
    return {run.key for run in runs if run.key in keys or RunFolder.of(root, run).state() in ENDED}


def begin_contradictions_anew(folders: Iterable[RunFolder]) -> None:
    """Let those of these runs begin anew whose record is torn or contradicts itself, unless somebody has them."""
    for folder in folders:
        unfinished = folder.path.is_dir() and not (folder.path / "result.json").exists()
        if unfinished and (lock := folder.acquire()) is not None:
            try:
                folder.put_away_contradiction()
            finally:
                os.close(lock)


def event_of(folder: RunFolder, retry: FailedAttempt | None) -> tuple[str, str] | None:
    """Return the event and the state with which a run begins whose lock is held, or None where it is refused."""
    manifest = folder.manifest()
    state = manifest.state if manifest.state in ("interrupted", "pruned", "failed") else "missing"
    event = "retry" if retry is not None and state == "failed" and retry.retries == _retries(manifest) else "take"
    begun = event, "complete" if folder.result() is not None else str(state)
    return begun if begun in TABLE else None


def begin(folder: RunFolder, event: str, state: str) -> None:
    """Note that a run is taken which had failed or was pruned; `running` is the worker's first word."""
    if state == "failed":
        change, manifest = TABLE[event, state], folder.manifest()
        losses, retries = manifest.losses, manifest.retries
        folder.note(
            state="interrupted",
            losses=count(change.losses, losses),
            retries=count(change.retries, retries),
            attempts=after_failure(manifest),  # one that dies before its first word is not the earlier one
        )
    elif state == "pruned":
        folder.note(state="interrupted")


def count(how: str, number: int) -> int:
    """Return a counter after a change of it."""
    return {"": number, "0": 0, "+1": min(number + 1, MOST)}[how]


def count_interruption(folder: RunFolder, code: int | None) -> str | None:
    """Count an interruption of a run whose lock is held, by its group's exit code; return the line for one too many."""
    if code in NOTICES:
        return None
    losses = count(TABLE["interruption", "running"].losses, folder.manifest().losses)
    return _interrupt(folder, losses, ended_by(code))


def count_crash_of_scheduler(folder: RunFolder) -> bool:
    """Count the interruption of a run together with its scheduler; say whether it was one too many.

    Where that attempt had ended an epoch it is none: a run that gets on ends some day, however often it is interrupted.
    """
    manifest = folder.manifest()
    if manifest.state != "running":
        return False
    begin, epochs = manifest.effective[-1].from_epoch, folder.last_epoch()[0]
    return (begin is None or epochs <= begin) and count_interruption(folder, None) is not None


def take_over_counts(folder: RunFolder, counts: Counts) -> bool:
    """Note what all hosts have counted since the last retry; say whether a run was interrupted too often."""
    manifest = folder.manifest()
    if manifest.tried_again != counts.retries:
        folder.note(losses=0, tried_again=counts.retries)
    elif counts.losses <= manifest.losses:
        return False
    return counts.losses > 0 and _interrupt(folder, counts.losses, "together with its host") is not None


def _interrupt(folder: RunFolder, losses: int, how: str) -> str | None:
    if losses <= RETRIES:
        folder.end(TABLE["interruption", "running"].state, losses=losses)
        return None
    error = f"interrupted {losses} times, the last time {how}; see its logs, then --retry failed"
    folder.end(TABLE["exhaustion", "running"].state, cause="interrupted", error=error, losses=losses)
    return error


def _retries(manifest: Manifest) -> int | None:
    """Return how often a failed run was retried before; None for one that has not failed."""
    return manifest.retries if manifest.state == "failed" else None


def ended_by(code: int | None) -> str:
    """Say how a process group ended."""
    if code is None:
        return "together with its scheduler, before an epoch had ended"
    number = -code if code < 0 else code - 128
    if number not in {*signal.Signals}:
        return f"its process left with code {code}"
    memory = " (the kernel's out-of-memory killer, perhaps)" if number == signal.SIGKILL else ""
    return f"its process was ended by {signal.Signals(number).name}{memory}"
