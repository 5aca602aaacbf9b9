"""From what a person types for one run to its folder."""

from __future__ import annotations

import os
from pathlib import Path

from lightning_bam.run_folder.files import FolderError
from studies.records.purpose import KEY


def keys(root: Path) -> list[str]:
    """Return the keys of the run folders under `root`; a folder of any other name is none of a run."""
    return sorted(file.parent.name for file in root.glob("*/run.json") if KEY.fullmatch(file.parent.name))


def find_run(text: str, root: Path) -> Path:
    """Return the folder of a run: `text` is a key under `root`, or how one begins, or a folder that holds `run.json`.

    Raises:
        FolderError: no such run, or several whose keys begin so.

    """
    if not text:
        raise FolderError(f"'': give a run's folder, or its key under {root}")
    path = Path(text)
    found = [root / key for key in keys(root) if key.startswith(text)]
    if len(found) == 1 and os.sep not in text:  # before a folder of that name, which lies where anybody may write
        return found[0]
    if (path / "run.json").exists():
        return path
    if path.is_dir():
        raise FolderError(f"{path}: holds no run.json; neither a run folder nor a model folder")
    if found:
        names = ", ".join(folder.name for folder in found[:5])
        raise FolderError(f"{text!r}: {len(found)} runs under {root} begin so: {names}{' ...' * (len(found) > 5)}")
    raise FolderError(f"{text!r}: neither a folder with a run.json nor the beginning of a run's key under {root}")
