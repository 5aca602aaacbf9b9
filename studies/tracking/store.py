"""Where W&B's records lie: all of a runs folder in one, `<root>/wandb`, as `wandb leet` and `wandb sync` want it."""

import shutil
import stat
from collections.abc import Iterable
from pathlib import Path
from shlex import quote
from typing import Final

from lightning_bam.run_folder.files import refuse

FOLDER: Final = "wandb"
"""W&B's own name for it."""
UNSENT: Final = "unsent"
"""A file in the record of an online run whose server has not answered."""


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


def unsent(root: Path, keys: Iterable[str]) -> list[Path]:
    """Return the records of these runs that no server is known to have: offline, or without an answer at their end."""
    found = [path for key in keys for path in records(root, key)]
    return [path for path in found if path.name.startswith("offline-") or (path / UNSENT).exists()]


def sync_command(root: Path, key: str = "") -> str:
    """Return the command that sends the record of a run, or all that are under a runs folder."""
    return f"wandb sync --include-online {quote(str(root / FOLDER))}/*run-*{'-' if key else ''}{key}"
