"""Whom W&B would send runs to: by the environment and the user's own settings, never by the working directory's."""

import netrc
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlparse

from pydantic import ValidationError

from lightning_bam.json_text import fault, short
from studies.errors import StudyError
from studies.job.job import WandbMode

NAME: Final = 128
"""Bytes that the name of a project, of a run and of a group can have in W&B."""
REFUSED: Final = "/\\#?%:"
"""Signs that no project's name can have."""
RENAMED: Final = {"api.forge.coreweave.com": "api.wandb.ai"}
"""The name under which ~/.netrc may still have a server, where W&B looks, too."""


def default_mode() -> WandbMode:
    """`online` where somebody is logged in, else `offline`."""
    mode: dict[str | None, WandbMode] = {"offline": "offline", "dryrun": "offline", "disabled": "off"}
    if os.environ.get("WANDB_MODE") in mode:
        return mode[os.environ["WANDB_MODE"]]
    return "online" if logged_in() else "offline"


def logged_in() -> bool:
    """Say whether there is a key for the server that W&B would send runs to; W&B itself would ask for one."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        logins = netrc.netrc(Path(os.environ.get("NETRC") or "~/.netrc").expanduser())  # W&B's own way to it
    except (OSError, RuntimeError, UnicodeDecodeError, netrc.NetrcParseError):  # no home; a file of other bytes
        return False
    server = urlparse(address())
    host = server.hostname or ""
    return any(map(logins.authenticators, (server.netloc, host, RENAMED.get(host, host))))


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


def check_settings() -> None:
    """Raise a `StudyError` where W&B refuses what it is told here: it would record no run, not even offline."""
    isolated_wandb()
    from wandb.sdk.wandb_setup import singleton

    try:
        with redirect_stderr(StringIO()):
            _ = singleton().settings
    except Exception as error:  # its own kinds, pydantic's, those of a file that is no text
        reason = fault(error) if isinstance(error, ValidationError) else " ".join(str(error).split())
        mended = "mend the variable WANDB_..., or the user's own settings of W&B"
        raise StudyError(f"W&B cannot be set up: {reason}; {mended}") from None


def project() -> str:
    """Return the W&B project, `WANDB_PROJECT` or `lightning-bam`; a `StudyError` for a name that W&B refuses."""
    name = os.environ.get("WANDB_PROJECT", "lightning-bam")
    if not name.strip() or len(name) > NAME or {*REFUSED} & {*name}:
        expected = f"a name of 1 to {NAME} characters without {' '.join(REFUSED)}"
        raise StudyError(f"WANDB_PROJECT={short(name)}: give {expected}, or unset it")
    return name


@contextmanager
def without_folders() -> Iterator[None]:
    """Keep W&B from making a folder for each run that it lists."""
    before = os.environ.get("WANDB_DIR")
    os.environ["WANDB_DIR"] = os.devnull
    try:
        yield
    finally:
        os.environ.pop("WANDB_DIR")
        if before is not None:
            os.environ["WANDB_DIR"] = before
