"""W&B beside the run folder: one W&B run for each training run, never its only record and never a reason to stop."""

from __future__ import annotations

import netrc
import os
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
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
    """A W&B run that is being opened beside the run's own beginnings, and the Lightning logger that waits for it.

    To open one takes a quarter of a second offline, seconds online, all of it waiting: meanwhile the data is loaded,
    the network built, and the first epoch trained. `logger` is None where nothing is tracked.
    """

    logger: Any = None
    patience: float = 60.0
    _run: Any = None
    _opening: threading.Thread | None = None

    @classmethod
    def start(cls, job: Job, run: Run) -> Tracking:
        """Begin to open the W&B run of `run`: id = key, group = study, name = row and seed, config = `flatten(run)`."""
        tracking = cls()
        if job.wandb != "off":
            from studies.careful import CarefulLogger

            tracking.logger = CarefulLogger(tracking.run, run.key)
            tracking._opening = threading.Thread(target=tracking._open, args=(job, run), daemon=True)
            tracking._opening.start()
        return tracking

    def run(self) -> Any:
        """Return the W&B run, waiting until it is open; None where there is none."""
        if self._opening is not None:
            self._opening.join()
        return self._run

    def _open(self, job: Job, run: Run) -> None:
        """Open the W&B run.

        An earlier attempt's offline record is replaced: the run folder replays its epochs into this one.
        """
        import wandb

        shutil.rmtree(job.folder / "wandb", ignore_errors=True)
        wanted: Literal["online", "offline"] = "online" if job.wandb == "online" else "offline"
        for mode in dict.fromkeys((wanted, "offline")):
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
            except Exception as error:  # a dead or strange server must never stop a run
                print(f"W&B: {mode} failed ({error}); the run goes on")
                with suppress(Exception):
                    wandb.teardown(exit_code=1)  # its service would keep the run's id to itself
            else:
                self._run, self.patience = opened, PATIENCE if mode == "online" else self.patience
                return

    def report(self, result: Result) -> None:
        """Put the reported figures into the summary."""
        run = self.run()
        if run is None:
            return
        try:
            run.summary.update({name: figure for name, figure in vars(result).items() if figure is not None})
        except Exception as error:
            print(f"W&B: no summary ({error}); the run goes on without it")

    def finish(self, code: int) -> None:
        """Close the W&B run; a server that does not answer is waited for `PATIENCE` seconds, the disk for longer."""
        if self._opening is None:
            return
        closing = threading.Thread(target=self._finish, args=(code,), daemon=True)
        closing.start()
        closing.join(self.patience)
        if closing.is_alive():
            print("W&B: no answer; the record stays in the run folder, `wandb sync` can send it")

    def _finish(self, code: int) -> None:
        run = self.run()
        if run is None:
            return
        try:
            run.finish(exit_code=code)
        except Exception as error:
            print(f"W&B: could not finish ({error})")
