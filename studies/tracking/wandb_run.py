"""W&B beside the run folder: one W&B run for each training run, never its only record and never a reason to stop."""

from __future__ import annotations

import netrc
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from platform import node
from queue import SimpleQueue
from shlex import quote
from typing import Any, Final, Literal
from urllib.parse import urlparse

from lightning_bam.config import Run, to_dict
from lightning_bam.json_text import short
from lightning_bam.run_folder.provenance import commit
from lightning_bam.run_folder.result import METRICS, Result
from studies.definition.limits import shortened
from studies.errors import StudyError
from studies.job.job import Job, WandbMode

PATIENCE = 20.0
"""Seconds to wait for a W&B server at the start, and again at the end."""
DISK = 60.0
"""Seconds to wait at the end for what W&B writes to the disk."""
JOB_TYPE: Final = 64
"""Bytes that a job type can have in W&B; `row` in the config has all of a row's name."""
NAME: Final = 128
"""The same of a run's name, a group and a project."""
REFUSED: Final = "/\\#?%:"
"""Signs that no project's name can have."""
RENAMED: Final = {"api.forge.coreweave.com": "api.wandb.ai"}
"""The name under which ~/.netrc may still have a server, where W&B looks, too."""
FIGURES: Final = {
    "train_loss": "train/loss",
    "lr": "train/lr",
    "loss": "test/loss",
    **{name: f"test/{name}" for name in METRICS},
}
"""What an epoch's figures are called in W&B: the phase that they were measured in, and the name they have in the run
folder. `train/loss` is the mean over the epoch's batches as they were trained on, `train/lr` the rate of the epoch's
first step."""


def default_mode() -> WandbMode:
    """`online` where somebody is logged in, else `offline`."""
    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        return "offline" if os.environ["WANDB_MODE"] == "offline" else "off"
    if os.environ.get("WANDB_API_KEY"):
        return "online"
    try:
        known = netrc.netrc(Path(os.environ.get("NETRC") or "~/.netrc").expanduser())  # W&B's own way to it
    except (OSError, netrc.NetrcParseError):
        return "offline"
    there = urlparse(address())
    host = there.hostname or ""
    return "online" if any(map(known.authenticators, (there.netloc, host, RENAMED.get(host, host)))) else "offline"


def address() -> str:
    """Return the address of the server that W&B would send runs to, by the environment and the user's own settings."""
    try:
        sealed()
        from wandb.sdk.wandb_setup import singleton

        with redirect_stderr(StringIO()):  # it says which files it reads
            return singleton().settings.base_url
    except Exception:  # a variable that it refuses, an installation that is broken: each run's log says so
        return "https://api.wandb.ai"


def sealed() -> Any:
    """Return W&B, kept from the working directory, whose files may be anybody's.

    W&B takes from there, before it is told anything, whom it sends the user's key to (`wandb/settings`) and more of a
    config (`config-defaults.yaml`), and no setting of its own forbids it. The user's own settings count.
    """
    import wandb
    from wandb.sdk.wandb_config import Config

    wandb.Settings.settings_workspace = property(lambda _: os.devnull)  # type: ignore[assignment]
    Config._load_defaults = lambda _: None  # type: ignore[method-assign]
    return wandb


def project() -> str:
    """Return the W&B project: `WANDB_PROJECT`, or `lightning-bam`.

    Raises:
        StudyError: a name that W&B refuses, which would be found out in every run.

    """
    name = os.environ.get("WANDB_PROJECT", "lightning-bam")
    wrong = next((sign for sign in REFUSED if sign in name), "")
    if not name.strip() or len(name) > NAME or wrong:
        why = f"has {wrong!r}" if wrong else f"has {len(name)} characters" if name.strip() else "is empty"
        raise StudyError(
            f"WANDB_PROJECT={short(name)}: {why}; give a name of 1 to {NAME} characters without {' '.join(REFUSED)}, "
            "or unset it"
        )
    return name


def config_of(run: Run) -> dict[str, Any]:
    """Return a run as `run.json` has it, slot by slot: `attention: {kind: bam, reduction: 16}`, `{kind: none}` without.

    W&B filters and groups by what stands inside (`attention.reduction`), which a key with a dot in it would break.
    """
    told = to_dict(run)
    return told | {"attention": told["attention"] or {"kind": "none"}}


class Tracking:
    """A run's W&B run, and the Lightning logger that tells it of each epoch; the training never waits for either.

    A thread does all that W&B does: it opens the W&B run (a quarter of a second offline, seconds online, all of it
    waiting) while the data is loaded and the first epoch trained, then writes what it is told. `logger` is None where
    nothing is tracked.
    """

    def __init__(self) -> None:
        self.logger: Any = None
        self.patience = DISK
        self.sync = "`wandb sync`"
        self._code = 1
        self._told: SimpleQueue[Callable[[Any], object] | None] = SimpleQueue()
        self._tried = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def start(cls, job: Job, run: Run) -> Tracking:
        """Begin to open the W&B run of `run`: id = key, group = study, job type = row, name = row and seed.

        Its config is `config_of(run)`, and `study`, `row`, `commit` and `host` of this training: another study that has
        the run too, maybe as another row, does not train it again.
        """
        tracking = cls()
        tracking.sync = f"`wandb sync --include-online {quote(str(job.folder))}/wandb/*run-*`"
        if job.wandb != "off":
            from studies.tracking.lightning_logger import EpochLogger

            tracking.logger = EpochLogger(tracking.log, run.key)
            # before there is a thread: a new variable moves all of them; W&B asks git, too, before it is told anything
            os.environ |= {"WANDB_MODE": job.wandb, "WANDB_DISABLE_GIT": "true", "WANDB_USE_DOT_WANDB": "false"}
            tracking._thread = threading.Thread(target=tracking._track, args=(job, run), daemon=True)
            tracking._thread.start()
        return tracking

    def log(self, figures: Mapping[str, Any]) -> None:
        """Log an epoch's figures under the names of `FIGURES`, as soon as W&B can.

        The epoch is W&B's step, so that a server which has it already, of an attempt before, takes it no second time.
        """
        told = {FIGURES.get(name, name): figure for name, figure in figures.items()}
        self._told.put(lambda run: run.log(told, step=int(figures["epoch"])))

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
            print(f"W&B: no answer; the record stays in the run folder, {self.sync} sends it")

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
        wandb = sealed()
        for there in (job.folder / "wandb", job.folder / ".wandb"):  # W&B prefers the second where there is one
            if there.is_symlink() or not there.is_dir():  # it would write where a link points to, and wait for a pipe
                there.unlink(missing_ok=True)
            else:
                shutil.rmtree(there, ignore_errors=True)
        seed = f" / seed {run.seed}"
        wanted: Literal["online", "offline"] = "online" if job.wandb == "online" else "offline"
        for mode in dict.fromkeys((wanted, "offline")):
            os.environ["WANDB_MODE"] = mode  # W&B's telemetry goes by this alone: offline, it must call nobody
            try:
                opened = wandb.init(
                    project=project(),
                    id=run.key,
                    group=shortened(job.study, NAME),
                    name=f"{shortened(job.row, NAME - len(seed))}{seed}",
                    job_type=shortened(job.row, JOB_TYPE),
                    config=config_of(run) | {"study": job.study, "row": job.row, "commit": commit(), "host": node()},
                    dir=job.folder,
                    mode=mode,
                    resume="allow" if mode == "online" else None,
                    settings=wandb.Settings(
                        init_timeout=PATIENCE,
                        silent=True,
                        console="wrap" if job.monitor else "off",
                        x_disable_stats=not job.monitor,
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
