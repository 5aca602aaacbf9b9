"""One run trained once more beside its record: no study, no trial, no retry, no W&B; the engine's own process group."""

import os
from collections.abc import Callable
from pathlib import Path

from lightning_bam.config import Run
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import Manifest
from lightning_bam.user_code.load import sources
from studies.errors import StudyError
from studies.job.devices import Slot, parse_devices, slots, visible_gpus
from studies.job.job import Job
from studies.workers.forkserver import end_all, forkserver, kill_group
from studies.workers.launch import start
from studies.workers.preflight import preflight
from studies.workers.signals import termination_as_interrupt


def slot_like(manifest: Manifest, devices: str | None) -> Slot:
    """Return a slot with as many ranks as trained a run, on `devices` or on the same kind; `StudyError` for fewer."""
    world = manifest.world_size or 1
    device = manifest.device or "cpu"
    if devices is not None:
        here = parse_devices(devices)
    else:
        here = [None] * world if device == "cpu" else list(visible_gpus())
    if len(here) < world:
        offer = f"--devices {devices}" if devices is not None else f"this machine has {len(here)} GPUs"
        raise StudyError(
            f"{offer}: the run was trained by {world} rank{'s' * (world > 1)} on {device}; give as many devices, as "
            f"--devices cpu:{world}"
        )
    return slots(here[:world], world)[0]


def retrain(run: Run, root: Path, slot: Slot, threads: int, tell: Callable[[int], None]) -> RunFolder:
    """Train `run` from its start in a new folder under `root`, and return the folder, in whatever state it ended.

    `threads` are torch's of each rank; `tell` is called with the number of epochs, whenever there are more. Raises
    `FolderError` for a folder that is there, and `ConfigError` where the run cannot be trained so.
    """
    folder = RunFolder.of(root, run)
    if folder.path.exists():
        raise FolderError(f"{folder.path}: is there already; give another folder, or remove it")
    context = forkserver()
    preflight(context, {run.key: run}, [slot])
    folder.describe(run)
    lock = folder.acquire()
    job = Job(
        folder=folder.path.absolute(),
        study="reproduce",
        row=run.key,
        slot=slot,
        threads=threads,
        wandb="off",
        code=sources(run),
    )
    lifeline, alive = context.Pipe(duplex=False)
    with termination_as_interrupt(), lifeline, alive:
        process = start(context, job, lifeline, lock)
        if lock is not None:
            os.close(lock)
        try:
            before = 0
            while process.exitcode is None:
                process.join(0.2)
                if (epochs := len(folder.metrics())) > before:
                    tell(before := epochs)
            kill_group(process)
        finally:
            end_all([process])
    return folder
