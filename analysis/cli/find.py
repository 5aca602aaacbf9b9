"""From what a person types for one run to its folder."""

import argparse
import os
from pathlib import Path
from typing import Final

from analysis.cli.arguments import argument
from analysis.cli.selection import root_of
from lightning_bam.config import Run, nearest
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.user_code.keep import FOLDER
from lightning_bam.user_code.load import STUDY, Source, load, unknown
from studies.records.purpose import KEY

CODE: Final = argument("--code", metavar="FILE", help="the file with the run's own classes; it is run")


def read_run(folder: RunFolder, code: str | None) -> Run:
    """Return the run of a folder whose own classes, if it has any, stand in the file `code`, which the user names.

    Code that lies in the runs folder is run only so: FolderError names it where it is needed.
    """
    if code is not None:
        load([Source(str(Path(code).absolute()), STUDY)])
    run = folder.run()
    if missing := unknown(run):
        kept = folder.manifest().code
        where = f"{folder.path.parent / FOLDER / kept} has it" if kept else "the study's file has it"
        wrong = f"{code} has not the" if code else "needs the"
        part = missing[0]
        raise FolderError(
            f"{folder.path}: {wrong} code of {part.slot}={part.kind}, {part.code}; {where}: look into it, then name "
            "the file with --code"
        )
    return run


def find_run(arguments: argparse.Namespace) -> Path:
    """Return the folder of a run: named by its key under --root, by how that begins, or as a folder with `run.json`."""
    return find_folder(arguments.run, root_of(arguments))


def find_folder(text: str, root: Path) -> Path:
    """Return the folder of the run that a text names; see `find_run`."""
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
