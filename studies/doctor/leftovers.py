"""What the dead left behind: processes without a scheduler, runs that say that they are running, half-written files."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from studies.doctor.finding import Finding, Scene, listed, ok, problem, warning
from studies.workers.forkserver import scheduler_of

GRACE: Final = 15.0
"""Seconds in which the processes of a scheduler that has just been killed end themselves; a server that is just loading
torch comes to the end of that first."""
OLD: Final = 600.0
"""Seconds; putting a file in place takes milliseconds."""
TEMPORARY: Final = re.compile(r"\..+\.\d+")
"""Names of files on their way into place: `.manifest.json.4711`."""


def parentless() -> list[psutil.Process]:
    """Return the processes of this machine that were forked for a run by a scheduler that is gone."""
    here = _namespace(os.getpid())
    return [
        process
        for process in psutil.process_iter()
        if (scheduler := scheduler_of(process)) is not None
        and not scheduler.alive()
        and _namespace(process.pid) == here
    ]


def orphans(scene: Scene) -> Iterator[Finding]:  # noqa: ARG001
    """Look for training processes whose scheduler is gone; they hold devices, memory and their run's lock."""
    found = parentless()
    if found:
        _, alive = psutil.wait_procs(found, timeout=GRACE)
        found = [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    if not found:
        yield ok("orphans", "no training process has outlived its scheduler")
        return
    told = [f"{process.pid}{_trains(process)}" for process in found]
    pids = " ".join(str(process.pid) for process in found)
    yield problem("orphans", f"{len(found)} of a scheduler that is gone: {listed(told)}", f"kill -9 {pids}")


def _namespace(pid: int) -> str:
    """Return the namespace in which a process's number counts: a container's processes are not judged from outside."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def _trains(process: psutil.Process) -> str:
    """Return which run a process holds the lock of."""
    try:
        held = [Path(file.path).parent.name for file in process.open_files() if Path(file.path).name == "lock"]
    except psutil.Error:
        held = []
    return f" (run {held[0]})" if held else ""


def folders(root: Path) -> list[Path]:
    """Return every folder under `root` that a run has been described in."""
    return sorted(path.parent for path in root.glob("*/run.json"))


def leases(scene: Scene) -> Iterator[Finding]:
    """Look for runs that say that they are running while nobody holds their lock, and for folders that are torn."""
    stale, there = [], folders(scene.root)
    for path in there:
        folder = RunFolder(path)
        try:
            if folder.manifest().get("state") == "running" and folder.state() == "interrupted":
                stale.append(path.name)
        except FolderError as error:
            command = f"rm -r {shlex.quote(str(path))}"
            yield problem("leases", str(error), f"{command}, and the next `bam run` trains it again")
    if stale:
        count = f"{len(stale)} run says" if len(stale) == 1 else f"{len(stale)} runs say"
        mend = "`bam run STUDY` (or `bam search`, `bam worker`) goes on with them from their checkpoints"
        yield warning("leases", f"{count} 'running', and nobody trains: {listed(stale)}", mend)
    else:
        yield ok("leases", f"{len(there)} runs under {scene.root}, none says 'running' without somebody training it")


def temporary(scene: Scene) -> Iterator[Finding]:
    """Look for files that were on their way into place when their writer died."""
    before = time.time() - OLD
    found = []
    for folder in (scene.root, *folders(scene.root)):
        for path in (*folder.glob(".*"), *folder.glob("checkpoints/.*")):
            if TEMPORARY.fullmatch(path.name) and path.is_file() and path.stat().st_mtime < before:
                found.append(path)
    if not found:
        yield ok("temporary files", "none left by a writer that died")
        return
    size = sum(path.stat().st_size for path in found) / 2**20
    told = listed([str(path.relative_to(scene.root)) for path in found])
    mend = f"find {shlex.quote(str(scene.root))} -regex '.*/\\.[^/]+\\.[0-9]+' -mmin +10 -delete"
    yield warning("temporary files", f"{len(found)} ({size:.1f} MiB) left by writers that died: {told}", mend)
