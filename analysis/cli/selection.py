"""From arguments to a study and to where it is trained: the same for every verb."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from lightning_bam.run_folder.files import FolderError
from studies.coordination.sync import gather_everywhere
from studies.definition.study import Selection, Study
from studies.errors import StudyError
from studies.library import catalogue, find_study
from studies.records.records import Record
from studies.stopping_rules.declaration import other_rules, with_rule


def chosen(verb: str, arguments: argparse.Namespace) -> list[Study]:
    """Return the studies that `add_studies` lets name, each as `selected` returns it.

    Raises:
        StudyError: none is named, or some beside --all; and what `selected` raises.

    """
    if bool(arguments.study) == arguments.all:
        raise StudyError(f"{verb}: name the studies, or say --all for every one of the catalogue")
    return [selected(name, arguments) for name in (catalogue() if arguments.all else arguments.study)]


def selected(name: str, arguments: argparse.Namespace, *, keep: bool = True) -> Study:
    """Return the study of that name with --preset, --set, --only, --seeds, --margin applied, and its stopping rule.

    One that another host has declared is written under --root, unless `keep` is False.

    Raises:
        StudyError: no such study or name in it, or seeds or a margin other than its declared rule's.

    """
    study, margin = find_study(name), getattr(arguments, "margin", None)
    if arguments.preset is not None:
        study = study.at(arguments.preset)
    url = getattr(arguments, "storage", None)
    study = with_rule(study.override(dict(arguments.set)), root_of(arguments), url, keep=keep)
    if study.stopping is not None:
        for option, given, ruled in (("seeds", arguments.seeds, None), ("margin", margin, study.margin)):
            if given not in (None, ruled):
                raise StudyError(
                    f"--{option} {given}: {study.label} follows a stopping rule ({study.stopping}); leave it out"
                )
    if arguments.only:
        selectors: dict[str, list[str]] = {}
        for key, value in arguments.only:
            selectors.setdefault(key, []).append(value)
        study = study.only(selectors)
    if arguments.seeds:
        study = study.with_seeds(arguments.seeds)
        study = replace(Selection.of(study), ruled_by=other_rules(study, root_of(arguments)))
    return replace(study, margin=margin) if margin else study


def every_scale(root: Path, url: str | None = None) -> list[Study]:
    """Return every study of the catalogue, as it is defined and at each of its presets, by the rule declared for it."""
    every = [at for s in catalogue().values() for at in (s, *(s.at(p) for p in s.presets if s.at(p) is not s))]
    return [with_rule(study, root, url) for study in every]


def gathered(study: Study, arguments: argparse.Namespace, *, keep: bool = True) -> list[Record]:
    """Return the records of a study under --root, and with --storage what other hosts have of it.

    That is written under --root, unless `keep` is False. Where seeds follow a stopping rule, only those that it asks
    for so far.
    """
    return wanted_of(study, gather_everywhere(study, root_of(arguments), arguments.storage, keep=keep))


def wanted_of(study: Study, records: list[Record]) -> list[Record]:
    """Return the records of those runs that the study wants by now: all of them unless it has a stopping rule."""
    if study.stopping is None:
        return records
    from analysis.table.interim import due  # loads scipy, which nobody else who selects a study needs

    return due(study, records)


def root_of(arguments: argparse.Namespace) -> Path:
    """Return --root.

    Raises:
        FolderError: it is empty, or something else than a folder.

    """
    if not arguments.root:
        raise FolderError("--root '': give the runs folder")
    root = Path(arguments.root)
    if root.exists() and not root.is_dir():
        raise FolderError(f"--root {root}: is a file; give the runs folder")
    return root


def looked_at(arguments: argparse.Namespace) -> Path:
    """Return --root for a verb that only reads: one that was named must be there, unless --storage has runs, too.

    Raises:
        FolderError: it is not; an empty table of a mistyped folder would look like one of runs to come.

    """
    root = root_of(arguments)
    if arguments.root != arguments.usual_root and arguments.storage is None and not root.exists():
        raise FolderError(f"--root {root}: no such folder; give the runs folder")
    return root
