"""From what a person types for one run to its folder."""

import argparse
import difflib
import os
from pathlib import Path

from analysis.cli.selection import root_of
from lightning_bam.run_folder.files import FolderError
from studies.records.purpose import KEY


def find_run(arguments: argparse.Namespace) -> Path:
    """Return the folder of the run that is named: its key under --root, how that begins, or a folder with `run.json`.

    Raises FolderError for no such run, with the nearest key, and for several whose keys begin so.
    """
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
    if close := difflib.get_close_matches(text, keys, n=1, cutoff=0.5):
        raise FolderError(f"{text!r}: no run of this key under {root}; did you mean {close[0]!r}?")
    raise FolderError(f"{text!r}: neither a folder with a run.json nor the beginning of a run's key under {root}")
