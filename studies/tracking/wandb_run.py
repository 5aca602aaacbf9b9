"""W&B beside the run folder: one W&B run for each training run, never its only record and never a reason to stop."""

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
from studies.definition.limits import shortened
from studies.errors import StudyError
from studies.job.job import Job, WandbMode
from studies.job.observer import End

SERVER_WAIT = 20.0
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
    "epoch": "epoch",
    "train_loss": "train/loss",
    "lr": "train/lr",
    "images_per_s": "train/images_per_s",
    "memory_gib": "device/memory_gib",
    "seconds": "device/epoch_seconds",
    "train_seconds": "device/train_seconds",
}
"""What an epoch's figures are called in W&B; `train/loss` is the mean over the epoch's batches as they were trained on,
`train/lr` the rate of its first step."""


def default_mode() -> WandbMode:
    """`online` where somebody is logged in, else `offline`."""
    mode: dict[str | None, WandbMode] = {"offline": "offline", "disabled": "off"}
    if os.environ.get("WANDB_MODE") in mode:
        return mode[os.environ["WANDB_MODE"]]
    if os.environ.get("WANDB_API_KEY"):
        return "online"
    try:
        logins = netrc.netrc(Path(os.environ.get("NETRC") or "~/.netrc").expanduser())  # W&B's own way to it
    except (OSError, netrc.NetrcParseError):
        return "offline"
    server = urlparse(address())
    host = server.hostname or ""
    return "online" if any(map(logins.authenticators, (server.netloc, host, RENAMED.get(host, host)))) else "offline"


def address() -> str:
    """Return the address of the server that W&B would send runs to, by the environment and the user's own settings."""
    try:
        isolated_wandb()
        from wandb.sdk.wandb_setup import singleton

        with redirect_stderr(StringIO()):  # it says which files it reads
            return singleton().settings.base_url
    except Exception:  # a variable that it refuses, an installation that is broken: each run's log says so
        return "https://api.wandb.ai"


def isolated_wandb() -> Any:
    """Return W&B, kept from the working directory, whose files may be anybody's.

    W&B takes from there, before it reads a setting of ours, whom it sends the user's key to (`wandb/settings`) and more
    of a config (`config-defaults.yaml`), and no setting of its own forbids it. The user's own settings count.
    """
    import wandb
    from wandb.sdk.wandb_config import Config

    wandb.Settings.settings_workspace = property(lambda _: os.devnull)  # type: ignore[assignment]
    Config._load_defaults = lambda _: None  # type: ignore[method-assign]
    return wandb


def project() -> str:
    """Return the W&B project, `WANDB_PROJECT` or `lightning-bam`; a `StudyError` for a name that W&B refuses."""
    name = os.environ.get("WANDB_PROJECT", "lightning-bam")
    if not name.strip() or len(name) > NAME or {*REFUSED} & {*name}:
        expected = f"a name of 1 to {NAME} characters without {' '.join(REFUSED)}"
        raise StudyError(f"WANDB_PROJECT={short(name)}: give {expected}, or unset it")
    return name


def config_of(run: Run) -> dict[str, Any]:
    """Return a run as `run.json` has it: W&B filters by what stands inside a slot, as `attention.reduction`."""
    slots = to_dict(run)
    return slots | {"attention": slots["attention"] or {"kind": "none"}}


def _named(figure: str) -> str:
    gate = figure.removeprefix("gates/")
    return FIGURES.get(figure, f"test/{figure}") if gate == figure else f"gate/{gate}"


class Tracking:
    """A run's W&B run as an observer of the training, which never waits for it (id = key, group = study).

    A thread does all that W&B does: it opens the W&B run while the data is loaded and the first epoch trained, then
    writes what it hears. The config is that of the run, and `study`, `row`, `commit` and `host` of this training.
    `logger` is the Lightning logger that tells it of each epoch; None where nothing is tracked.
    """

    def __init__(self, job: Job, run: Run) -> None:
        self.logger: Any = None
        self.end_wait = DISK
        self._code = 1
        self._calls: SimpleQueue[Callable[[Any], object] | None] = SimpleQueue()
        self._tried = threading.Event()
        self._job = job
        self._run = run
        self._thread = threading.Thread(target=self._track, daemon=True)

    def start(self) -> None:
        """Begin to open the W&B run."""
        if self._job.wandb != "off":
            from studies.tracking.lightning_logger import EpochLogger

            self.logger = EpochLogger(self.epoch, self._run.key)
            # before there is a thread: a new variable moves all of them; W&B asks git, too, before it reads a setting
            os.environ |= {"WANDB_MODE": self._job.wandb, "WANDB_DISABLE_GIT": "true", "WANDB_USE_DOT_WANDB": "false"}
            self._thread.start()

    def epoch(self, line: Mapping[str, Any]) -> None:
        """Log an epoch's figures; it is W&B's step, so that a server takes it once from all attempts."""
        figures = {_named(name): figure for name, figure in line.items()}
        self._calls.put(lambda run: run.log(figures, step=int(line["epoch"])))

    def end(self, end: End, limit: float = DISK) -> None:
        """Close the W&B run, with the reported figures or the reason of a failure in its summary, within `limit`."""
        if self.logger is None:
            return
        if end.result is not None:
            figures = end.result.figures()
            self._calls.put(lambda run: run.summary.update(figures))
        elif end.state == "failed":
            self._calls.put(lambda run: run.summary.update({"cause": end.cause, "error": end.error}))
        self._code = end.code
        self._calls.put(None)
        deadline = time.monotonic() + limit
        if not self._tried.wait(limit):
            print("W&B: not open yet; it knows nothing of this attempt, the run folder has the figures")
            return
        self._thread.join(max(0.0, min(deadline - time.monotonic(), self.end_wait)))
        if self._thread.is_alive():
            sync = f"`wandb sync --include-online {quote(str(self._job.folder))}/wandb/*run-*`"
            print(f"W&B: no answer; the record stays in the run folder, {sync} sends it")

    def _track(self) -> None:
        try:
            wandb_run = self._open(self._job, self._run)
        finally:
            self._tried.set()  # also where W&B itself cannot be loaded: nobody waits for this thread then
        logging = wandb_run is not None
        while (call := self._calls.get()) is not None:
            if logging:
                try:
                    call(wandb_run)
                except Exception as error:  # whatever W&B dies of, the run folder has the figures
                    logging = False
                    print(f"W&B: logging failed ({error}); the run goes on without it")
        if wandb_run is not None:
            try:
                wandb_run.finish(exit_code=self._code)
            except Exception as error:
                print(f"W&B: could not finish ({error})")

    def _open(self, job: Job, run: Run) -> Any:
        """Open the W&B run in place of an earlier attempt's offline record, whose epochs the run folder replays.

        None where that fails.
        """
        wandb = isolated_wandb()
        for path in (job.folder / "wandb", job.folder / ".wandb"):  # W&B prefers the second where there is one
            if path.is_symlink() or not path.is_dir():  # it would write where a link points to, and wait for a pipe
                path.unlink(missing_ok=True)
            else:
                shutil.rmtree(path, ignore_errors=True)
        seed = f" / seed {run.seed}"
        modes: tuple[Literal["online", "offline"], ...] = (
            ("online", "offline") if job.wandb == "online" else ("offline",)
        )
        for mode in modes:
            os.environ["WANDB_MODE"] = mode  # W&B's telemetry goes by this alone: offline, it must call nobody
            try:
                wandb_run = wandb.init(
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
                        init_timeout=SERVER_WAIT,
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
                wandb_run.define_metric("epoch")
                wandb_run.define_metric("*", step_metric="epoch")
                if wandb_run.resumed:
                    wandb_run.summary.update({"cause": None, "error": None})  # an earlier attempt's
            except Exception as error:  # a dead or strange server must never stop a run
                print(f"W&B: {mode} failed ({error}); the run goes on")
                with suppress(Exception):
                    wandb.teardown(exit_code=1)  # its service would keep the run's id to itself
            else:
                self.end_wait = SERVER_WAIT if mode == "online" else DISK
                return wandb_run
        return None
