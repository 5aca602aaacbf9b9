"""A W&B run opened for a training or a study: online, or offline where no server answers; never a reason to stop."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from studies.job.job import WandbMode
from studies.tracking.connection import address, isolated_wandb
from studies.tracking.marks import forget_silence, note_silence, silence
from studies.tracking.store import FOLDER, mark_sent, remove_records, store

SERVER_WAIT = 20.0
"""Seconds to wait for a W&B server at the start, and again at the end."""

Opened = tuple[Any, Literal["online", "offline"]]
"""A W&B run, and whether a server has it."""


def prepare(root: Path, mode: WandbMode) -> None:
    """Set the environment that W&B reads before any setting; before there is a thread: a new variable moves all."""
    os.environ |= {"WANDB_MODE": mode, "WANDB_DISABLE_GIT": "true", "WANDB_USE_DOT_WANDB": "false"}
    os.environ["WANDB_DATA_DIR"] = str(root / FOLDER)  # where artifacts wait for `wandb sync`


def open_run(
    root: Path, mode: WandbMode, description: Mapping[str, Any], *, monitor: bool = False, sweep: str | None = None
) -> Opened | None:
    """Open the W&B run of a `description`, in place of an earlier record of it under `root`; None where that fails.

    With `monitor` W&B records the system. What goes wrong is printed; that a server does not answer is noted, too.
    """
    wandb = isolated_wandb()
    modes: tuple[Literal["online", "offline"], ...] = ("online", "offline") if mode == "online" else ("offline",)
    for one in modes:
        started = time.monotonic()
        os.environ["WANDB_MODE"] = one  # W&B's telemetry goes by this alone: offline, it must call nobody
        try:
            store(root)
            remove_records(root, description["id"])
            run = wandb.init(
                **description,
                dir=root,
                mode=one,
                resume=None,  # the record of an attempt takes the place of the last: all epochs are told again
                settings=settings(wandb, monitor=monitor, sweep=sweep),
            )
        except Exception as error:  # a dead or strange server must never stop a run
            reason, *_ = str(error).splitlines() or [type(error).__name__]
            goes_on = "recorded offline" if one == "online" else "the run goes on"
            print(f"W&B: {one} failed ({reason}); {goes_on}")
            if one == "online" and time.monotonic() - started > SERVER_WAIT / 2:  # who refuses does so sooner
                note_silence(root, server())
            with suppress(Exception):
                wandb.teardown(exit_code=1)  # its service would keep the run's id to itself
        else:
            if one == "online":
                forget_silence(root)
            return run, one
    return None


def server() -> str:
    """Return the host and the port of W&B's server, without the password that an address may have."""
    return urlsplit(address()).netloc.rpartition("@")[2]


def reachable(root: Path, mode: WandbMode) -> WandbMode:
    """Return the mode in which a training is recorded: offline, and it is printed, soon after one without an answer."""
    if mode == "online" and (seconds := silence(root, server())) is not None:
        print(f"W&B: no answer from {server()} {seconds:.0f} s ago; recorded offline, without asking again")
        return "offline"
    return mode


def finish_run(run: Any, mode: WandbMode, code: int = 0) -> bool:
    """Finish a W&B run with an exit code; return whether its server, if it has one, has taken all of it."""
    run.finish(exit_code=code)
    return mode == "offline" or mark_sent(Path(run.settings.sync_dir))


def settings(wandb: Any, *, monitor: bool, sweep: str | None) -> Any:
    """Return how W&B records here."""
    return wandb.Settings(
        init_timeout=SERVER_WAIT,
        silent=True,
        console="off",  # who opens the run says what it has printed
        x_disable_stats=not monitor,
        # a command line, a path, a remote's address may hold a password; the manifest has the commit
        x_disable_meta=True,
        disable_git=True,
        disable_code=True,
        x_save_requirements=False,  # a sixth of a second a run; the manifest holds the versions
        sweep_id=sweep,
        x_transaction_log_flush_interval=1,  # seconds; by itself W&B keeps fifteen in memory, which a kill takes
    )
