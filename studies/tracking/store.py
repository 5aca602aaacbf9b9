"""Where W&B's records lie: all of a runs folder in one, `<root>/wandb`, as `wandb leet` and `wandb sync` want it."""

import os
import shutil
import stat
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from platform import node
from shlex import quote
from typing import Final

from lightning_bam.run_folder.files import FolderError, open_plain, read_object, refuse, remove, write_object
from studies.job.job import WandbMode
from studies.tracking.names import analysis_id

FOLDER: Final = "wandb"
"""W&B's own name for it."""
OPEN: Final = "open"
"""The folder in it that has an empty file for each run whose W&B run is open, or was never closed."""
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

SILENT: Final = "no-answer.json"
"""The mark of a server that has not answered: which, when, and from which host it was asked."""
SILENCE: Final = 300.0
"""Seconds for which trainings do not ask such a server again: each of them would wait for it."""


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


def note_silence(root: Path, server: str) -> None:
    """Leave a mark under a runs folder that a server has not answered; without one the next run waits for it, too."""
    with suppress(FolderError, OSError):
        store(root).mkdir(exist_ok=True)
        write_object(store(root) / SILENT, {"server": server, "host": node(), "time": time.time()})


def forget_silence(root: Path) -> None:
    """Remove that mark: a server has answered."""
    with suppress(FolderError, OSError):
        remove(store(root) / SILENT)


def silence(root: Path, server: str) -> float | None:
    """Return for how many seconds a server is known not to answer here; None where it is to be asked."""
    try:
        mark = read_object(store(root) / SILENT) or {}
    except FolderError:
        return None
    when = mark.get("time")
    if not isinstance(when, float) or (mark.get("server"), mark.get("host")) != (server, node()):
        return None
    seconds = time.time() - when
    return seconds if 0 <= seconds < SILENCE else None


def _alerted(root: Path, label: str) -> Path:
    return store(root) / f"{analysis_id(label)}.alerted"


def claim_alert(root: Path, label: str) -> bool:
    """Say whether a run is the first of the study with this label to fail since `allow_alert`; it has W&B alert."""
    try:
        os.close(os.open(_alerted(root, label), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    except (FolderError, OSError):  # rather two alerts than none
        return True
    return True


def allow_alert(root: Path, label: str) -> None:
    """Have the next failure of the study with this label alert."""
    with suppress(FolderError, OSError):
        remove(_alerted(root, label))


def sync_command(root: Path, key: str = "") -> str:
    """Return the command that sends the record of a run, or all that are under a runs folder."""
    return f"wandb sync --include-online {quote(str(root / FOLDER))}/*run-*{'-' if key else ''}{key}"


def note_open(root: Path, key: str) -> None:
    """Note that the W&B run of a run is open."""
    folder = store(root) / OPEN
    refuse(folder, stat.S_IFDIR)
    folder.mkdir(parents=True, exist_ok=True)
    os.close(open_plain(folder / key, os.O_WRONLY | os.O_CREAT))


def note_closed(root: Path, key: str) -> None:
    """Note that the W&B run of a run has been closed, and knows how the run has ended."""
    refuse(store(root) / OPEN, stat.S_IFDIR)
    (store(root) / OPEN / key).unlink(missing_ok=True)


def open_runs(root: Path) -> set[str]:
    """Return the keys of runs whose W&B run is open, or was when its process died."""
    refuse(store(root) / OPEN, stat.S_IFDIR)
    return {path.name for path in (store(root) / OPEN).glob("*")}
