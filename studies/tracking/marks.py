"""Small files beside W&B's records: which W&B runs are open, which server does not answer, who has alerted."""

import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from platform import node
from typing import Final

from lightning_bam.run_folder.files import FolderError, open_plain, read_object, refuse, remove, write_object
from studies.tracking.names import analysis_id
from studies.tracking.store import store

OPEN: Final = "open"
"""The folder in it that has an empty file for each run whose W&B run is open, or was never closed."""
SILENT: Final = "no-answer.json"
"""The mark of a server that has not answered: which, when, and from which host it was asked."""
SILENCE: Final = 300.0
"""Seconds for which trainings do not ask such a server again: each of them would wait for it."""


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
