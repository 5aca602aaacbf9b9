"""From arguments to what a call asks of studies and to where their runs are, and back to the words of a call."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from analysis.cli import variants
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.manifest import Manifest
from studies.coordination.sync import gather_everywhere
from studies.definition.stopping import Stopping
from studies.definition.study import Selection, Study
from studies.errors import StudyError
from studies.library import catalogue, find_study, is_file
from studies.records.inventory import begun_runs
from studies.records.purpose import asked
from studies.records.records import Record
from studies.stopping_rules.declaration import declare, file_of, other_rules, refuse_looked, with_rule


def select(name: str | Study, arguments: argparse.Namespace, *, keep: bool = True, whole: bool = False) -> Study:
    """Return the study (of that name) with --preset, --set, --only, --seeds, --margin applied, and its stopping rule.

    A rule that another host has declared is written under --root to `keep` it. With `whole`, --only and --seeds are
    passed over.
    """
    if arguments.variant is not None and isinstance(name, str):
        expand(name, arguments)
    study = with_rule(at_scale(name, arguments), root_of(arguments), arguments.storage, keep=keep)
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
    if arguments.margin:
        study = replace(Selection.of(study), margin=arguments.margin)
    return replace(Selection.of(study), asked=asked_words(name, arguments))


def at_scale(name: Study | str, arguments: argparse.Namespace) -> Study:
    """Return a study, or the one of that name, with --preset and --set applied."""
    study = find_study(name) if isinstance(name, str) else name
    if arguments.preset is not None:
        study = study.at(arguments.preset)
    return study.override(dict(arguments.set))


def asked_words(name: Study | str, arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the words that ask a study so from any folder: its name or its file's path, and what selects of it."""
    text = name if isinstance(name, str) else name.name
    return (str(Path(text).absolute()) if is_file(text) else text, *words(arguments, only=False, root=False))


def expand(name: str, arguments: argparse.Namespace) -> None:
    """Put the --preset and --set that --as stands for in its place; a StudyError where it stands for others."""
    kept = variants.read(root_of(arguments), find_study(name).name, arguments.variant)
    stands_for = argparse.Namespace(preset=kept.preset, set=list(kept.settings))
    if (arguments.preset or arguments.set) and at_scale(name, arguments).label != at_scale(name, stands_for).label:
        raise StudyError(f"--as {arguments.variant}: is {kept}, not what is asked here; give another name")
    vars(arguments).update(vars(stands_for))


def keep_variant(arguments: argparse.Namespace) -> None:
    """Let --as stand for the --preset and --set of this call, where it has them and no such name is kept."""
    if len(arguments.study) != 1:
        raise StudyError(f"--as {arguments.variant}: names a variant of one study; give {arguments.study[0]} alone")
    if arguments.preset or arguments.set:
        study = at_scale(arguments.study[0], arguments)
        if not isinstance(study, Selection) or not study.variant:
            raise StudyError(f"--as {arguments.variant}: {study.name} is the same without --preset and --set")
        kept = variants.Variant(preset=arguments.preset, settings=tuple(arguments.set))
        variants.keep(root_of(arguments), study.study, arguments.variant, kept)


def select_to_train(arguments: argparse.Namespace, check: Callable[[Study], None]) -> list[Study]:
    """Return the studies of a call that trains, those whose seeds follow a stopping rule with the rule declared.

    What raises in `check` is not declared: a rule is for rows that can be trained, and stays.
    A StudyError where another file has begun runs of a study of the same name that are none of this one.
    """
    if arguments.variant is not None:
        keep_variant(arguments)
    for name in arguments.study:
        if isinstance(name, str):  # from Python it may be a study, which no file defines
            refuse_namesake(name, arguments)
    studies = [with_asked_rule(select(name, arguments), arguments) for name in arguments.study]
    _refuse_two_of_one_name(arguments.study, studies)
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
    for study, _ in new:
        check(study)
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


def refuse_namesake(name: str, arguments: argparse.Namespace) -> None:
    """Raise a StudyError where a study of the same name that stands elsewhere has begun other runs for its rows.

    It is known by where it stood when it began them: what lies there no more has been moved here.
    """
    study, (ours, *_) = at_scale(name, arguments), asked_words(name, arguments)

    def other(manifest: Manifest) -> str:
        """Return where the study stands that has begun a run, if that is not ours."""
        theirs = next(iter(asked((manifest.studies or {}).get(study.label, {}))), ours)
        return "" if theirs == ours or (is_file(theirs) and not _is_another(theirs, ours)) else theirs

    ours_too = {cell.run.key for cell in study.runs()}  # of a copy of the file nothing else is read
    for begun in begun_runs(root_of(arguments), lambda key, manifest: key not in ours_too and bool(other(manifest))):
        row = (begun.manifest.studies or {})[study.label].get("row", "")
        if row not in study.rows or study.rows[row].key != replace(begun.run, seed=0).key:
            theirs = other(begun.manifest)
            where = theirs if is_file(theirs) else "the catalogue"
            raise StudyError(
                f"{name}: {where} defines a study {study.name!r}, too, and has begun other runs "
                f"for it (row {row!r}, run {begun.key}); give this one another name"
            )


def _refuse_two_of_one_name(names: Sequence[object], studies: Sequence[Study]) -> None:
    """Raise a StudyError where two files of one call define other rows under one name: neither has begun a run yet."""
    first = dict[str, tuple[object, dict[str, str]]]()
    for name, study in zip(names, studies, strict=True):
        keys = {row: run.key for row, run in study.rows.items()}
        other, theirs = first.setdefault(study.label, (name, keys))
        if theirs != keys:
            raise StudyError(
                f"{name}: {other} defines a study {study.name!r}, too, with other rows; give this one another name"
            )


def _is_another(theirs: str, ours: str) -> bool:
    """Say whether a study's file is there and is another one."""
    try:
        return Path(theirs).is_file() and not (is_file(ours) and Path(theirs).samefile(ours))
    except (OSError, ValueError):
        return False


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
    return line + (root_words(arguments) if root else [])


def root_words(arguments: argparse.Namespace) -> list[str]:
    """Return the words that name the runs folder; none for `runs` where BAM_ROOT names no other."""
    return ["--root", arguments.root] if (arguments.root, arguments.usual_root) != ("runs", "runs") else []


def run_command(arguments: argparse.Namespace, *, seeds: bool = True) -> str:
    """Return the `bam run` of the one study that `arguments` select, without --only, and --seeds as far as wanted."""
    return command(["run", arguments.study, *words(arguments, seeds=seeds, only=False)], arguments)


def table_command(name: str, arguments: argparse.Namespace) -> str:
    """Return the `bam table` of a study as a call selects it."""
    return command(["table", name, *words(arguments)], arguments)


def command(line: list[str], arguments: argparse.Namespace) -> str:
    """Return a line of `bam`, which reads the same storage."""
    line = ["bam", *line]
    if arguments.storage:
        from studies.storage.postgres import hide_password  # loads SQLAlchemy

        line += ["--storage", hide_password(arguments.storage)]
    return shlex.join(line)
