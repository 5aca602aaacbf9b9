"""Runs that ended while their W&B run was open, as at a kill between the result and W&B's end, are told anew.

W&B is told what the run folder has; what the system measured and the run printed is not told again.
"""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from lightning_bam.config import Run
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import flat
from studies.job.devices import Slot
from studies.job.job import About, Job, WandbMode
from studies.job.observer import End
from studies.tracking.description import description
from studies.tracking.marks import open_runs
from studies.tracking.wandb_run import Tracking

ENDED: Final = ("complete", "failed", "pruned")
"""Where a run stands that nobody trains any more."""


def cut_off(root: Path, keys: Collection[str]) -> list[str]:
    """Return which of these runs have ended while their W&B run was open; what was sent of one since may say failed."""
    return sorted(key for key in open_runs(root) & {*keys} if RunFolder(root / key).state() in ENDED)


def replay(root: Path, mode: WandbMode, study: str, about: About, rows: Mapping[str, str]) -> int:
    """Tell W&B anew of the runs with these keys, but of none that still tells it itself; return of how many.

    They are `rows` of a study, or configurations of a search.
    """
    told = 0
    for key, row in rows.items():
        folder = RunFolder(root / key)
        if (lock := folder.acquire()) is None:
            continue
        try:
            job = Job(folder=folder.path, study=study, row=row, slot=Slot(1), wandb=mode, monitor=False, about=about)
            tracking = Tracking(job, folder.run(), as_it_was)
            tracking.open()
            for line in folder.metrics():
                tracking.epoch(flat(line))
            tracking.end(end_of(folder))
            told += 1
        finally:
            os.close(lock)
    return told


def as_it_was(job: Job, run: Run) -> dict[str, Any]:
    """Return the `description` of a run, with the commit and the host of its last attempt."""
    told, manifest = description(job, run), RunFolder(job.folder).manifest()
    return told | {"config": told["config"] | {"commit": manifest.commit, "host": manifest.host}}


def end_of(folder: RunFolder) -> End:
    """Return how a run ended, by its folder."""
    state, manifest = folder.state(), folder.manifest()
    if state != "failed":
        return End(state=state, result=folder.result())
    return End(state=state, code=1, cause=manifest.cause or "", error=manifest.error or "")
