"""W&B beside the run folder: one W&B run for each training run, never its only record and never a reason to stop."""

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import chain
from queue import SimpleQueue
from typing import Any, Final

from lightning_bam.config import Run
from lightning_bam.run_folder.files import TAIL, FolderError, open_plain
from lightning_bam.run_folder.folder import RunFolder
from studies.job.job import Job
from studies.job.observer import End
from studies.tracking import session
from studies.tracking.connection import isolated_wandb
from studies.tracking.description import description, pinned
from studies.tracking.marks import claim_alert, note_closed, note_open, note_silence
from studies.tracking.names import SUMMARIES, epoch_figures, reported_figures
from studies.tracking.record import log_record
from studies.tracking.session import finish_run, open_run, prepare, reachable, server
from studies.tracking.store import sync_command

DISK = 60.0
"""Seconds to wait at the end for what W&B writes to the disk."""
ALERT: Final = 200
"""Characters of an error that an alert has."""


class Tracking:
    """A run's W&B run as an observer of the training, which never waits for it.

    A thread does all that W&B does: it opens the W&B run while the data is loaded and the first epoch trained, then
    writes what it hears. `logger` is the Lightning logger that tells it of each epoch; None where nothing is tracked.
    """

    def __init__(self, job: Job, run: Run, describe: Callable[[Job, Run], dict[str, Any]] = description) -> None:
        self.logger: Any = None
        self._describe = describe
        self.end_wait = DISK
        self._root = job.folder.parent
        self._code = 1
        self._logged = 0
        self._closing = False
        self._calls: SimpleQueue[Callable[[Any], object] | None] = SimpleQueue()
        self._tried = threading.Event()
        self._mode = job.wandb
        self._job = job
        self._run = run
        self._thread = threading.Thread(target=self._track, daemon=True)

    def start(self) -> None:
        """Begin to open the W&B run."""
        if self._job.wandb != "off":
            from studies.tracking.lightning_logger import EpochLogger

            self.logger = EpochLogger(self.epoch, self._run.key)
            self.open()

    def open(self) -> None:
        """Begin to open the W&B run, for who calls `epoch` itself."""
        prepare(self._root, self._job.wandb)
        with suppress(OSError, FolderError):  # W&B cannot write there either, which stops no training
            note_open(self._root, self._run.key)
        self._thread.start()

    def epoch(self, line: Mapping[str, Any]) -> None:
        """Log an epoch's figures; it is W&B's step, so that a server takes it once from all attempts."""
        figures = epoch_figures(self._run, line)
        # committed, so that it is on disk when this process is killed, and does not wait for the next epoch
        self._calls.put(lambda run: run.log(figures, step=int(figures["epoch"]), commit=True))
        self._calls.put(self._log_printed)

    def end(self, end: End, limit: float = DISK) -> None:
        """Close the W&B run, with the reported figures or the reason of a failure in its summary, within `limit`."""
        if self._thread.ident is None:  # nothing is tracked
            return
        self._calls.put(lambda run: self._conclude(run, end))
        self._code = end.code
        self._calls.put(None)
        deadline = time.monotonic() + limit
        if not self._tried.wait(limit):
            print("W&B: not open yet; it knows nothing of this attempt, the run folder has the figures")
            return
        self._thread.join(max(0.0, min(deadline - time.monotonic(), self.end_wait)))
        if self._thread.is_alive():
            self._tell_unsent("no answer")
            if self._closing:  # the record on disk is whole
                self._note_closed()
            if self._mode == "online" and limit > session.SERVER_WAIT:
                note_silence(self._root, server())

    def _tell_unsent(self, why: str) -> None:
        print(f"W&B: {why}; the record is kept, `{sync_command(self._root, self._run.key)}` sends it")

    def _note_closed(self) -> None:
        with suppress(OSError, FolderError):
            note_closed(self._root, self._run.key)

    def _conclude(self, wandb_run: Any, end: End) -> None:
        """Tell how the run ended, as its folder has it."""
        summary: dict[str, Any] = {"state": end.state}
        if end.result is not None:
            summary |= reported_figures(self._run, end.result.figures())
        if end.state == "failed":
            summary |= {"cause": end.cause, "error": end.error}
        wandb_run.summary.update(summary)
        self._log_printed(wandb_run)
        if end.traceback and self._job.monitor:  # the log has it once W&B is closed
            wandb_run.write_logs(f"{end.traceback}{end.error}")
        if end.state in ("complete", "failed"):
            log_record(isolated_wandb(), wandb_run, RunFolder(self._job.folder), end)
        if end.state == "failed" and self._job.alert and claim_alert(self._root, self._job.study):
            where = f"{self._job.row}, seed {self._run.seed}"
            wandb_run.alert(f"{self._job.study}: a run failed", f"{where}: {end.error[:ALERT]}", level="ERROR")

    def _track(self) -> None:
        try:
            wandb_run = self._open()
        finally:
            self._tried.set()  # also where W&B itself cannot be loaded: nobody waits for this thread then
        logging = wandb_run is not None
        for call in chain([self._define, self._log_printed], iter(self._calls.get, None)):
            if logging:
                try:
                    call(wandb_run)
                except Exception as error:  # whatever W&B dies of, the run folder has the figures
                    logging = False
                    print(f"W&B: logging failed ({error}); the run goes on without it")
        if wandb_run is not None:
            try:
                self._closing = True
                if not finish_run(wandb_run, self._mode, self._code):
                    self._tell_unsent("the server refuses this run")
                self._note_closed()
            except Exception as error:
                print(f"W&B: could not finish ({error})")

    def _open(self) -> Any:
        """Open the W&B run in place of an earlier attempt's record, whose epochs the run folder replays."""
        opened = open_run(
            self._root,
            reachable(self._root, self._job.wandb),
            self._describe(self._job, self._run),
            monitor=self._job.monitor,
            sweep=self._job.about.sweep,
        )
        if opened is None:
            return None
        wandb_run, self._mode = opened
        self.end_wait = session.SERVER_WAIT if self._mode == "online" else DISK
        return wandb_run

    def _log_printed(self, wandb_run: Any) -> None:
        """Log the lines that the run's log has got since the last call, at first also those of earlier attempts.

        W&B itself would have what is printed while it is open alone.
        """
        if not self._job.monitor:
            return
        with suppress(OSError, FolderError):  # a log that cannot be read is no reason to log nothing else
            sys.stdout.flush()
            with os.fdopen(open_plain(RunFolder(self._job.folder).log), "rb") as file:
                file.seek(max(self._logged, file.seek(0, os.SEEK_END) - TAIL))
                lines, newline, begun = file.read().rpartition(b"\n")
                self._logged = file.tell() - len(begun)
            if newline:
                wandb_run.write_logs(lines.decode(errors="replace"))

    def _define(self, wandb_run: Any) -> None:
        """Say how figures are shown."""
        wandb_run.define_metric("epoch", hidden=True)
        for name, summary in {"*": None, **SUMMARIES}.items():
            wandb_run.define_metric(name, step_metric="epoch", summary=summary)
        wandb_run.pin_config_keys(pinned(self._job))
