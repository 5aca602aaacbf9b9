"""W&B beside the run folder: one W&B run for each training run, never its only record and never a reason to stop."""

from __future__ import annotations

import netrc
import os
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse

from lightning_bam.config import Run, flatten
from lightning_bam.result import Result
from studies.job import Job, WandbMode

PATIENCE = 20.0
"""Seconds to wait for a W&B server at the start, and again at the end."""


def default_mode() -> WandbMode:
    """`online` where somebody is logged in, else `offline`."""
    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        return "offline" if os.environ["WANDB_MODE"] == "offline" else "off"
    if os.environ.get("WANDB_API_KEY"):
        return "online"
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return "online" if netrc.netrc().authenticators(host) else "offline"
    except (OSError, netrc.NetrcParseError):
        return "offline"


@dataclass
class Tracking:
    """An open W&B run and the Lightning logger that writes to it; `logger` is None where there is none."""

    run: Any = None
    logger: Any = None
    patience: float = 60.0

    @classmethod
    def start(cls, job: Job, run: Run) -> Tracking:
        """Open the W&B run of `run`: id = key, group = study, name = row and seed, config = `flatten(run)`.

        An earlier attempt's offline record is replaced: the run folder replays its epochs into this one.
        """
        if job.wandb == "off":
            return cls()
        import wandb

        from studies.careful import CarefulLogger

        shutil.rmtree(job.folder / "wandb", ignore_errors=True)
        for mode in dict.fromkeys((job.wandb, "offline")):
            os.environ["WANDB_MODE"] = mode  # W&B's telemetry goes by this alone: offline, it must call nobody
            try:
                opened = wandb.init(
                    project=os.environ.get("WANDB_PROJECT", "lightning-bam"),
                    id=run.key,
                    group=job.study,
                    name=f"{job.row} / seed {run.seed}",
                    config=dict(flatten(run)),
                    dir=job.folder,
                    mode=mode,
                    resume="allow" if mode == "online" else None,
                    settings=wandb.Settings(
                        init_timeout=PATIENCE,
                        silent=True,
                        console="off",
                        x_disable_stats=True,
                        x_save_requirements=False,  # a sixth of a second a run; the manifest holds the versions
                    ),
                )
                opened.define_metric("epoch")
                opened.define_metric("*", step_metric="epoch")
                return cls(opened, CarefulLogger(experiment=opened), PATIENCE if mode == "online" else 60.0)
            except Exception as error:  # a dead or strange server must never stop a run
                print(f"W&B: {mode} failed ({error}); the run goes on")
                with suppress(Exception):
                    wandb.teardown(exit_code=1)  # its service would keep the run's id to itself
        return cls()

    def report(self, result: Result) -> None:
        """Put the reported figures into the summary."""
        if self.run is None:
            return
        try:
            self.run.summary.update({name: figure for name, figure in vars(result).items() if figure is not None})
        except Exception as error:
            print(f"W&B: no summary ({error}); the run goes on without it")

    def finish(self, code: int) -> None:
        """Close the W&B run; a server that does not answer is waited for `PATIENCE` seconds, the disk for longer."""
        if self.run is None:
            return
        closing = threading.Thread(target=self._finish, args=(code,), daemon=True)
        closing.start()
        closing.join(self.patience)
        if closing.is_alive():
            print("W&B: no answer; the record stays in the run folder, `wandb sync` can send it")

    def _finish(self, code: int) -> None:
        try:
            self.run.finish(exit_code=code)
        except Exception as error:
            print(f"W&B: could not finish ({error})")
