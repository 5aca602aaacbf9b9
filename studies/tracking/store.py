"""Where W&B's records lie: all of a runs folder in one, `<root>/wandb`, as `wandb leet` and `wandb sync` want it."""

import shutil
import stat
from collections.abc import Collection
from pathlib import Path
from shlex import quote
from typing import Final

from lightning_bam.run_folder.files import FolderError, refuse
from studies.job.job import WandbMode

FOLDER: Final = "wandb"
"""W&B's own name for it."""
SENT: Final = ".synced"
"""What W&B appends to the name of a record's file for the mark that a server has it: `wandb sync` leaves it alone."""
REFUSED: Final = (
    b"filestream: fatal error",
    b"failed to log artifact",
    b"upload: failed to upload",
    b"runfiles: CreateRunFiles returned error",
    b"runupserter: failed to upload changes",
    b"sendAlert: failed to notify",
)
"""What W&B writes into a record's log where the server has refused lines, an artifact, a file, all files, a change of
the config, an alert; nothing else tells. Of what it tries again, and is taken then, it writes none of these."""


def store(root: Path) -> Path:
    """Return the folder of records under a runs folder; a FolderError for a link, or a file, in its place."""
    refuse(root / FOLDER, stat.S_IFDIR)
    return root / FOLDER


def records(root: Path, key: str) -> list[Path]:
    """Return the records of one run, the oldest first: `offline-run-<time>-<key>`, or `run-...` of an online one."""
    return sorted(store(root).glob(f"*run-*-{key}"), key=lambda path: path.name.removeprefix("offline-"))


def remove_records(root: Path, key: str) -> None:
    """Remove the records of earlier attempts at a run, whose epochs the next one tells again."""
    for path in records(root, key):
        shutil.rmtree(path, ignore_errors=True)


def mark_sent(record: Path) -> bool:
    """Mark the record of an online run, which W&B has finished, as sent; False where part of it was refused."""
    log = record / "logs" / "debug-internal.log"
    told = log.read_bytes() if log.exists() else b""
    if any(sentence in told for sentence in REFUSED):
        return False
    for file in record.glob("*.wandb"):
        file.with_name(file.name + SENT).touch()
    return True


def unsent(root: Path, ids: Collection[str]) -> list[Path]:
    """Return the records of these runs that no server is known to have."""
    names = {path.name.removeprefix("offline-").split("-", 2)[2]: path for path in store(root).glob("*run-*-*")}
    return [names[one] for one in ids if one in names and not any(names[one].glob(f"*{SENT}"))]


def unsent_line(root: Path, ids: Collection[str], mode: WandbMode) -> str:
    """Return the line that says how many of these runs no server has, and what sends them; empty if none."""
    try:
        count = 0 if mode == "off" else len(unsent(root, ids))
    except FolderError as error:  # no run was recorded, and its log says so
        return f"W&B: {error}"
    if not count:
        return ""
    records = f"{count} record{'s' if count > 1 else ''}"
    told = f"{records} in {root / FOLDER}" if mode == "offline" else f"{records} could not be sent"
    return f"W&B: {told}; `{sync_command(root)}` sends {'them' if count > 1 else 'it'}"


def sync_command(root: Path, key: str = "") -> str:
    """Return the command that sends the record of a run, or all that are under a runs folder."""
    return f"wandb sync --include-online {quote(str(root / FOLDER))}/*run-*{'-' if key else ''}{key}"
