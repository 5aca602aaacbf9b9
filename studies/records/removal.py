"""Run folders that are removed on purpose: never a running one, and with a line that stays of each that had begun.

Without that line a study could lose runs without a trace: rows and seeds that leave it after a look at their results
are known by their run folders (`records.purpose`).
"""

import json
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from lightning_bam.json_text import parse
from lightning_bam.run_folder.files import FolderError, append_line, read_text, refuse, unwritable
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import now

FILE: Final = "removed.jsonl"
"""Under the runs folder: a line for each study that had begun a run which was removed."""


class Removed(TypedDict):
    """A run that was begun for a row of a study and removed; `state` is that in which it was."""

    study: str
    row: str
    seed: int | None
    key: str
    state: str
    removed: str


LINE: Final = TypeAdapter(Removed)


def remove(root: Path, key: str, state: str, seed: int | None, studies: Mapping[str, Mapping[str, str]]) -> None:
    """Remove a run folder, and keep a line of it for each study that had begun it.

    FolderError: it is being trained, or cannot be removed; a folder that is not there is no error.
    """
    folder = RunFolder(root / key)
    if not folder.path.is_dir():
        return
    lock = folder.acquire()
    if lock is None:
        raise FolderError(f"{folder.path}: is being trained; end that first")
    away = root / f".{key}.removed"
    try:
        for label, entry in studies.items():
            line = Removed(study=label, row=entry.get("row", ""), seed=seed, key=key, state=state, removed=now())
            append_line(root / FILE, json.dumps(line))
        shutil.rmtree(away, ignore_errors=True)  # of a call that was killed here
        folder.path.rename(away)  # in one step: nobody sees half a run
        shutil.rmtree(away)
    except OSError as error:
        raise unwritable(folder.path, error) from None
    finally:
        os.close(lock)


def removed(root: Path, label: str) -> list[Removed]:
    """Return the runs of a study that were removed and are there no more; lines that are none are passed over."""
    refuse(root / FILE, stat.S_IFREG)
    try:
        lines = read_text(root / FILE).splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise FolderError(f"{root / FILE}: cannot be read ({error})") from None
    every = {}
    for line in lines:
        try:
            one = LINE.validate_python(parse(line))
        except (ValueError, RecursionError, ValidationError):
            continue
        if one["study"] == label and not os.path.lexists(f"{root}/{one['key']}/run.json"):
            every[one["key"]] = one
    return list(every.values())
