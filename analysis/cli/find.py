"""From what a person types for one run to its folder."""

import argparse
import os
from pathlib import Path

from analysis.cli.selection import root_of
from lightning_bam.config import nearest
from lightning_bam.run_folder.files import FolderError
from studies.records.purpose import KEY


def find_run(arguments: argparse.Namespace) -> Path:
    """Return the folder of a run: named by its key under --root, by how that begins, or as a folder with `run.json`."""
    text, root = arguments.run, root_of(arguments)
    if not text:
        raise FolderError(f"'': give a run's folder, or its key under {root}")
    path = Path(text)
    keys = [file.parent.name for file in root.glob("*/run.json") if KEY.fullmatch(file.parent.name)]
    matches = sorted(key for key in keys if key.startswith(text))
    if len(matches) == 1 and os.sep not in text:  # before a folder of that name, which lies where anybody may write
        return root / matches[0]
    if (path / "run.json").exists():
        return path
    if path.is_dir():
        raise FolderError(f"{path}: holds no run.json; neither a run folder nor a model folder")
    if matches:
        names = ", ".join(matches[:5])
        raise FolderError(f"{text!r}: {len(matches)} runs under {root} begin so: {names}{' ...' * (len(matches) > 5)}")
    hint = f"; {nearest(text, keys)}" if keys else ""
    raise FolderError(f"{text!r}: neither a folder with a run.json nor the beginning of a run's key under {root}{hint}")
