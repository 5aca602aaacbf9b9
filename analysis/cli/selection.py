"""From arguments to what a call asks of studies and to where their runs are, and back to the words of a call."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lightning_bam.run_folder.files import FolderError
from studies.coordination.sync import gather_everywhere
from studies.definition.stopping import Stopping
from studies.definition.study import Selection, Study
from studies.errors import StudyError
from studies.library import catalogue, find_study
from studies.records.records import Record
from studies.stopping_rules.declaration import declare, file_of, other_rules, refuse_looked, with_rule


def select(name: str, arguments: argparse.Namespace, *, keep: bool = True, whole: bool = False) -> Study:
    """Return the study of that name with --preset, --set, --only, --seeds, --margin applied, and its stopping rule.

    A rule that another host has declared is written under --root to `keep` it. With `whole`, --only and --seeds are
    passed over.
    """
    study = find_study(name)
    if arguments.preset is not None:
        study = study.at(arguments.preset)
    study = with_rule(study.override(dict(arguments.set)), root_of(arguments), arguments.storage, keep=keep)
    if study.stopping is not None:
        first = study.seed_list[0]
        rule = study.stopping
        own: dict[str, object] = {"seeds": None, "margin": study.margin, "first_seed": first}
        own |= {"looks": rule.looks, "spending": rule.spending, "spare": rule.spare}
        for option, value in own.items():
            if getattr(arguments, option) not in (None, value):
                follows = f"{study.label} follows a stopping rule ({rule}; its seeds begin at {first})"
                raise StudyError(f"--{option.replace('_', '-')}: {follows}; leave it out")
    if arguments.only and not whole:
        selectors: dict[str, list[str]] = {}
        for key, value in arguments.only:
            selectors.setdefault(key, []).append(value)
        study = study.only(selectors)
    if arguments.seeds and not whole:
        study = study.with_seeds(arguments.seeds)
        study = replace(Selection.of(study), ruled_by=other_rules(study, root_of(arguments)))
    return replace(Selection.of(study), margin=arguments.margin) if arguments.margin else study


def select_to_train(arguments: argparse.Namespace) -> list[Study]:
    """Return the studies of a call that trains, those whose seeds follow a stopping rule with the rule declared."""
    studies = [with_asked_rule(select(name, arguments), arguments) for name in arguments.study]
    for study in studies:
        if study.stopping is None:
            for option in ("looks", "spending", "spare", "first_seed", "margin"):
                if getattr(arguments, option) is not None:
                    raise StudyError(f"--{option.replace('_', '-')}: goes with --until-resolved; give that, too")
        refuse_part(study, arguments)
    root, url = root_of(arguments), arguments.storage
    ruled = [(study, gather_everywhere(study, root, url)) for study in studies if study.stopping is not None]
    new = [(study, records) for study, records in ruled if not os.path.lexists(file_of(root, study))]
    for study, records in new:  # all of them before the first is declared
        refuse_looked(study, records, root, url)
    declared = {study.label: declare(study, root, records, url) for study, records in ruled}
    for study, _ in new:
        _tell(study)
    return [declared.get(study.label, study) for study in studies]


def with_asked_rule(study: Study, arguments: argparse.Namespace) -> Study:
    """Return the study with the stopping rule that the call asks, or as it is where it has one or none is asked."""
    if study.stopping is not None or not arguments.until_resolved:
        return study
    if arguments.seeds:
        raise StudyError("--seeds: with --until-resolved the rule says how many; use --looks")
    asked = {"looks": arguments.looks, "spending": arguments.spending, "spare": arguments.spare}
    rule = Stopping(**{name: value for name, value in asked.items() if value is not None})
    return study.stopping_by(rule, arguments.first_seed)


def _tell(study: Study) -> None:
    """Say on stderr what each look of a rule that is declared now can resolve."""
    from analysis.planning.resolvable import looks_of  # loads scipy

    assert study.stopping is not None
    for look in looks_of(study.stopping, study.comparisons) if study.comparisons else ():
        print(f"bam: {study.label}: {look}", file=sys.stderr)


def refuse_part(study: Study, arguments: argparse.Namespace) -> None:
    """Raise StudyError for --only where a rule gives the seeds."""
    if study.stopping is not None and arguments.only:
        raise StudyError(f"--only: {study.label} follows a stopping rule, which is for all of its rows")


def every_scale(root: Path, url: str | None = None) -> list[Study]:
    """Return every study of the catalogue, as it is defined and at each of its presets, by the rule declared for it."""
    every = [at for s in catalogue().values() for at in (s, *(s.at(p) for p in s.presets if s.at(p) is not s))]
    return [with_rule(study, root, url) for study in every]


def read(arguments: argparse.Namespace) -> tuple[Study, list[Record]]:
    """Return the study of a call that reads one, and its records."""
    existing_root(arguments)
    study = select(arguments.study, arguments)
    return study, records_of(study, arguments)


def read_all(verb: str, arguments: argparse.Namespace) -> list[tuple[Study, list[Record]]]:
    """Return the studies that are named, or with --all every one of the catalogue, and all of their records."""
    studies = [select(name, arguments) for name in names(verb, arguments)]
    root = existing_root(arguments)
    return [(study, gather_everywhere(study, root, arguments.storage)) for study in studies]


def names(verb: str, arguments: argparse.Namespace) -> list[str]:
    """Return the studies that are named, or with --all every one of the catalogue; a StudyError for both or neither."""
    if bool(arguments.study) == arguments.all:
        raise StudyError(f"{verb}: name the studies, or say --all for every one of the catalogue")
    return list(catalogue()) if arguments.all else list(arguments.study)


def against(study: Study, records: Sequence[Record], row: str) -> tuple[Study, list[Record]]:
    """Return the study with another row as the baseline, and those of its records that it then has."""
    other = study.against(row)
    return other, [record for record in records if record.row in other.rows]


def records_of(study: Study, arguments: argparse.Namespace, *, keep: bool = True) -> list[Record]:
    """Return the due records of a study: under --root, and with --storage of other hosts, which `keep` writes there."""
    return due_records(study, gather_everywhere(study, root_of(arguments), arguments.storage, keep=keep))


def due_records(study: Study, records: list[Record]) -> list[Record]:
    """Return the records of those runs that the study wants by now: all of them unless it has a stopping rule."""
    if study.stopping is None:
        return records
    from analysis.table.interim import due  # loads scipy

    return due(study, records)


def root_of(arguments: argparse.Namespace) -> Path:
    """Return --root; raises FolderError where it is empty, or something else than a folder."""
    if not arguments.root:
        raise FolderError("--root '': give the runs folder")
    root = Path(arguments.root)
    if root.exists() and not root.is_dir():
        raise FolderError(f"--root {root}: is a file; give the runs folder")
    return root


def existing_root(arguments: argparse.Namespace) -> Path:
    """Return --root for a verb that only reads: one that is named must be there, unless --storage has runs, too."""
    root = root_of(arguments)
    if arguments.root != arguments.usual_root and arguments.storage is None and not root.exists():
        raise FolderError(f"--root {root}: no such folder; give the runs folder")
    return root


def words(arguments: argparse.Namespace, *, only: bool = True, seeds: bool = True, root: bool = True) -> list[str]:
    """Return the words that select a study's scale, rows and seeds, and the runs folder, as far as wanted."""
    line = ["--preset", arguments.preset] if arguments.preset else []
    for name, value in arguments.set:
        line += ["--set", f"{name}={value}"]
    for name, value in arguments.only if only else []:
        line += ["--only", f"{name}={value}"]
    line += ["--seeds", str(arguments.seeds)] if seeds and arguments.seeds else []
    line += ["--margin", f"{arguments.margin:g}"] if arguments.margin else []
    return line + (["--root", arguments.root] if root and arguments.root != "runs" else [])


def run_command(arguments: argparse.Namespace, *, seeds: bool = True) -> str:
    """Return the `bam run` of the one study that `arguments` select, without --only, and --seeds as far as wanted."""
    line = ["bam", "run", arguments.study, *words(arguments, seeds=seeds, only=False)]
    if arguments.storage:
        from studies.storage.postgres import hide_password  # loads SQLAlchemy

        line += ["--storage", hide_password(arguments.storage)]
    return shlex.join(line)
