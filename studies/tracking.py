"""W&B beside the run folder: one W&B run for each training run, never its only record and never a reason to stop."""

from __future__ import annotations

import netrc
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from platform import node
from queue import SimpleQueue
from typing import Any, Final, Literal
from urllib.parse import urlparse

from lightning_bam.config import Run, flatten
from lightning_bam.provenance import commit
from lightning_bam.result import Result
from studies.job import Job, WandbMode

PATIENCE = 20.0
"""Seconds to wait for a W&B server at the start, and again at the end."""
DISK = 60.0
"""Seconds to wait at the end for what W&B writes to the disk."""
LONGEST: Final = 64
"""Characters of a row's name that are its job type; `row` in the config has all."""


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


class Tracking:
    """A run's W&B run, and the Lightning logger that tells it of each epoch; the training never waits for either.

    A thread does all that W&B does: it opens the W&B run (a quarter of a second offline, seconds online, all of it
    waiting) while the data is loaded and the first epoch trained, then writes what it is told. `logger` is None where
    nothing is tracked.
    """

    def __init__(self) -> None:
        self.logger: Any = None
        self.patience = DISK
        self._code = 1
        self._told: SimpleQueue[Callable[[Any], object] | None] = SimpleQueue()
        self._tried = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def start(cls, job: Job, run: Run) -> Tracking:
        """Begin to open the W&B run of `run`: id = key, group = study, job type = row, name = row and seed.

        Its config is `flatten(run)`, and `study`, `row`, `commit` and `host` of this training: another study that has
        the run too, maybe as another row, does not train it again.
        """
        tracking = cls()
        if job.wandb != "off":
            from studies.epoch_logger import EpochLogger

            tracking.logger = EpochLogger(tracking.log, run.key)
            os.environ["WANDB_MODE"] = job.wandb  # before there is a thread: a new variable moves all of them
            tracking._thread = threading.Thread(target=tracking._track, args=(job, run), daemon=True)
            tracking._thread.start()
        return tracking

    def log(self, figures: Mapping[str, Any]) -> None:
        """Log an epoch's figures, as soon as W&B can."""
        self._told.put(lambda run: run.log(dict(figures)))

    def report(self, result: Result) -> None:
        """Put the reported figures into the summary, as soon as W&B can."""
        figures = {name: figure for name, figure in vars(result).items() if figure is not None}
        self._told.put(lambda run: run.summary.update(figures))

    def fail(self, cause: str, error: str) -> None:
        """Put into the summary why the run has failed, as soon as W&B can."""
        self._told.put(lambda run: run.summary.update({"cause": cause, "error": error}))

    def finish(self, code: int, patience: float = DISK) -> None:
        """Close the W&B run; a server that does not answer is waited for `PATIENCE` seconds, the disk for `DISK`.

        Args:
            code: the run's exit code.
            patience: seconds to wait at most, also for it to be opened.

        """
        if self._thread is None:
            return
        self._code = code
        self._told.put(None)
        until = time.monotonic() + patience
        if not self._tried.wait(patience):
            print("W&B: not open yet; it knows nothing of this attempt, the run folder has the figures")
            return
        self._thread.join(max(0.0, min(until - time.monotonic(), self.patience)))
        if self._thread.is_alive():
            print("W&B: no answer; the record stays in the run folder, `wandb sync` can send it")

    def _track(self, job: Job, run: Run) -> None:
        """Do all that W&B does, one after the other."""
        try:
            opened = self._open(job, run)
        finally:
            self._tried.set()  # also where W&B itself cannot be loaded: nobody waits for this thread then
        heard = opened is not None
        while (said := self._told.get()) is not None:
            if heard:
                try:
                    said(opened)
                except Exception as error:  # whatever W&B dies of, the run folder has the figures
                    heard = False
                    print(f"W&B: logging failed ({error}); the run goes on without it")
        if opened is not None:
            try:
                opened.finish(exit_code=self._code)
            except Exception as error:
                print(f"W&B: could not finish ({error})")

    def _open(self, job: Job, run: Run) -> Any:
        """Open the W&B run and return it; None where it cannot be opened.

        An earlier attempt's offline record is replaced: the run folder replays its epochs into this one.
        """
        import wandb

        there = job.folder / "wandb"
        if there.is_symlink():  # W&B would write where it points to
            there.unlink()
        shutil.rmtree(there, ignore_errors=True)
        wanted: Literal["online", "offline"] = "online" if job.wandb == "online" else "offline"
        for mode in dict.fromkeys((wanted, "offline")):
            os.environ["WANDB_MODE"] = mode  # W&B's telemetry goes by this alone: offline, it must call nobody
            try:
                opened = wandb.init(
                    project=os.environ.get("WANDB_PROJECT", "lightning-bam"),
                    id=run.key,
                    group=job.study,
                    name=f"{job.row} / seed {run.seed}",
                    job_type=job.row[:LONGEST],
                    config=flatten(run) | {"study": job.study, "row": job.row, "commit": commit(), "host": node()},
                    dir=job.folder,
                    mode=mode,
                    resume="allow" if mode == "online" else None,
                    settings=wandb.Settings(
                        init_timeout=PATIENCE,
                        silent=True,
                        console="off",
                        x_disable_stats=True,
                        # a command line, a path, a remote's address may hold a password; the manifest has the commit
                        x_disable_meta=True,
                        disable_git=True,
                        disable_code=True,
                        x_save_requirements=False,  # a sixth of a second a run; the manifest holds the versions
                    ),
                )
                opened.define_metric("epoch")
                opened.define_metric("*", step_metric="epoch")
                if opened.resumed:
                    opened.summary.update({"cause": None, "error": None})  # an earlier attempt's
            except Exception as error:  # a dead or strange server must never stop a run
                print(f"W&B: {mode} failed ({error}); the run goes on")
                with suppress(Exception):
                    wandb.teardown(exit_code=1)  # its service would keep the run's id to itself
            else:
                self.patience = PATIENCE if mode == "online" else DISK
                return opened
        return None
