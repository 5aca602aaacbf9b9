"""From arguments to a study and to where it is trained: the same for every verb."""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_bam.files import FolderError
from studies.exchange import gather_everywhere
from studies.load import catalogue, find_study
from studies.records import Record
from studies.study import Study


def selected(name: str, arguments: argparse.Namespace) -> Study:
    """Return the study of that name with --preset, --set, --only and --seeds applied."""
    study = find_study(name)
    if arguments.preset:
        study = study.at(arguments.preset)
    study = study.override(dict(arguments.set))
    if arguments.only:
        selectors: dict[str, list[str]] = {}
        for key, value in arguments.only:
            selectors.setdefault(key, []).append(value)
        study = study.only(selectors)
    if arguments.seeds:
        study = study.with_seeds(arguments.seeds)
    return study


def every_scale() -> list[Study]:
    """Return every study of the catalogue, as it is defined and at each of its presets."""
    return [at for s in catalogue().values() for at in (s, *(s.at(p) for p in s.presets if s.at(p) is not s))]


def gathered(study: Study, arguments: argparse.Namespace) -> list[Record]:
    """Return the records of a study under --root, and with --storage what other hosts have of it."""
    return gather_everywhere(study, root_of(arguments), arguments.storage)


def root_of(arguments: argparse.Namespace) -> Path:
    """Return --root.

    Raises:
        FolderError: it is something else than a folder.

    """
    root = Path(arguments.root)
    if root.exists() and not root.is_dir():
        raise FolderError(f"--root {root}: is a file; give the runs folder")
    return root
