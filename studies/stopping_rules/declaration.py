"""The files of declared rules: read and checked, sealed for the runs that are begun under them, and which of them stop
rows of another study: what these ran beyond the rule's first look was decided by what it showed, and who judges a row
by several rules makes several attempts.
"""

import json
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from lightning_bam.json_text import fault, parse, short
from lightning_bam.run_folder.files import (
    FolderError,
    inside,
    keep_object,
    read_object,
    refuse,
    write_object,
)
from lightning_bam.run_folder.hashes import hash_text
from lightning_bam.run_folder.provenance import commit
from studies.coordination.sync import gather_everywhere
from studies.definition.stopping import Stopping
from studies.definition.study import Margin, Selection, Study
from studies.definition.validation import Whole, distinct
from studies.errors import StudyError
from studies.records.records import Record

RULES: Final = "rules"
"""The folder of declared rules under the runs folder."""
SCHEMA: Final = 1
"""Version of a rule's file."""
ATTRIBUTE: Final = "rule"
"""Under which name the rule stands in its Optuna study."""


def _with_zone(text: str) -> str:
    if moment(text) is None:
        raise ValueError("should be a time with its zone")
    return text


class _Rule(TypedDict):
    """What `declare` writes, as far as it is read again; `stopping` is checked by `Stopping`."""

    study: str
    metric: str
    comparisons: Whole
    rows: dict[str, str]
    baselines: dict[str, str]
    seeds: Annotated[tuple[Annotated[Whole, Field(ge=0)], ...], AfterValidator(distinct)]
    margin: Margin | None
    declared: Annotated[str, AfterValidator(_with_zone)]


RULE: Final = TypeAdapter(_Rule)


def path_of(root: Path, label: str) -> Path:
    """Return where the rule of the study with this label stands; a FolderError where the folder of rules is a link."""
    refuse(root / RULES, stat.S_IFDIR)
    return inside(root / RULES, f"{label.replace('/', '_')}.json")


def file_of(root: Path, study: Study) -> Path:
    """Return where the rule of a study stands under `root`."""
    return path_of(root, study.label)


def read_rule(path: Path) -> dict[str, Any] | None:
    """Return the rule in a file, None where there is no such file; a FolderError for a file that is none."""
    try:
        data = read_object(path)
    except FolderError as error:
        raise FolderError(f"{str(error).partition('; ')[0]}; restore the rule from a copy") from None
    return None if data is None else _checked(data, str(path))


def _checked(data: Any, where: str) -> dict[str, Any]:
    """Return what was read as a rule, from a colleague's file or database; a FolderError if it is not one."""
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        schema = short(data.get("schema") if isinstance(data, dict) else data)
        raise FolderError(f"{where}: written with schema {schema}, this version reads {SCHEMA}")
    try:
        declared = Stopping.from_dict(data.get("stopping")).declared
    except StudyError as error:
        raise FolderError(f"{where}: {error}") from None
    try:
        RULE.validate_python(data)
        problem = "" if len(data["seeds"]) == declared else f"seeds is {short(data['seeds'])}: should be {declared}"
    except ValidationError as error:
        problem = fault(error)
    if problem:
        raise FolderError(f"{where}: {problem}: edited; restore it from a copy")
    return data


def moment(text: object) -> datetime | None:
    """Return the time that an ISO text with a zone says; None for anything else."""
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None


def seal(root: Path, label: str) -> dict[str, str]:
    """Return what the manifest of a run keeps of the rule that it is begun under; empty where its study has none."""
    rule = read_rule(path_of(root, label))
    if rule is None:
        return {}
    return {"rule": hash_text(json.dumps(rule, sort_keys=True)), "declared": rule["declared"]}


def other_rules(study: Study, root: Path) -> dict[str, str]:
    """Return each row of a study without a rule to which another one's gives seeds: row -> the first of them, by name.

    A baseline is given seeds whatever it shows, and every row those of the first look. A rule of another version under
    `root` says nothing; nor does one that cannot be read, which is said on stderr: it is another study's.
    """
    rows = {run.key: row for row, run in study.rows.items()}
    labels: dict[str, str] = {}
    for rule in _rules(root):
        if not set(rule["seeds"][rule["stopping"]["looks"][0] :]) & set(study.seed_list):
            continue
        for row, key in rule["rows"].items():
            if key in rows and row not in rule["baselines"].values():
                labels.setdefault(rows[key], rule["study"])
    return {row: labels[row] for row in study.rows if row in labels}


def _rules(root: Path, *, quiet: bool = False) -> Iterator[dict[str, Any]]:
    """Yield every rule under `root` by name of its file; one that cannot be read is said on stderr, unless `quiet`."""
    refuse(root / RULES, stat.S_IFDIR)
    for path in sorted((root / RULES).glob("*.json")):
        try:
            data = read_object(path) or {}
            if data.get("schema") == SCHEMA:
                yield _checked(data, str(path))
        except FolderError as error:
            if not quiet:
                print(f"bam: passed over: {error}", file=sys.stderr)


def copy_rules(root: Path, to: Path) -> None:
    """Write the rules under `root` that can be read under another runs folder, too."""
    refuse(root / RULES, stat.S_IFDIR)
    (to / RULES).mkdir()
    for path in sorted((root / RULES).glob("*.json")):
        with suppress(FolderError):
            if rule := read_rule(path):
                write_object(to / RULES / path.name, rule)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Another study's rule that judges `rows` of a study, by its names of them; `declared` when, of this `level`."""

    study: str
    declared: str
    level: float
    rows: tuple[str, ...]


def other_attempts(study: Study, root: Path) -> list[Attempt]:
    """Return the rules of other studies under `root` that judge a row of this one, and its baseline, by its metric.

    Of a study without a rule only those that do not give it all its seeds: of the others `other_rules` tells. Of one
    with a rule not those that look at the same seeds as often: the same figures are judged twice, so that a row that is
    judged wrongly by one is judged so by the one with fewer comparisons, whose level holds for both.
    """
    ours = _purpose(study)
    pairs = {row: (ours["rows"][row], ours["rows"][own]) for row, own in ours["baselines"].items() if row != own}
    attempts = []
    for rule in _rules(root, quiet=study.stopping is None):  # then `other_rules` has said it
        if rule["study"] == study.label or rule["metric"] != study.metric:
            continue
        if study.stopping is None and set(study.seed_list) <= set(rule["seeds"]):
            continue
        if _same_looks(study, rule):
            continue
        judged = {(key, rule["rows"].get(rule["baselines"].get(row))) for row, key in rule["rows"].items()}
        if rows := tuple(row for row, pair in pairs.items() if pair in judged):
            level = rule["stopping"]["level"]
            attempts.append(Attempt(study=rule["study"], declared=rule["declared"], level=level, rows=rows))
    return attempts


def _same_looks(study: Study, rule: Mapping[str, Any]) -> bool:
    """Say whether a rule looks at the same seeds as a study's own, as often, and spends its level alike."""
    seeds = tuple(rule["seeds"]) == tuple(study.seed_list)
    return seeds and Stopping.from_dict(rule["stopping"]) == study.stopping


def with_rule(study: Study, root: Path, url: str | None = None, *, keep: bool = True) -> Study:
    """Return the study with the rule that was declared for it, or as it is where none was; then `ruled_by` is filled.

    A rule that stands in the study's file alone counts as long as none of its runs has begun: `bam run` declares it.
    One of another host, in PostgreSQL at `url`, is with `keep` written under `root`, to the runs that it stopped. A
    `StudyError` for one that was declared for other rows, another baseline or metric, or after the first result.
    """
    data = _stored(study, root, url)
    if data is None:
        if study.stopping is not None:
            refuse_looked(study, gather_everywhere(study, root, url, keep=keep), root, url, written=True)
            return study
        others = other_rules(study, root)
        return replace(Selection.of(study), ruled_by=others) if others else study
    if keep:
        _keep(study, root, data)
    return replace(
        study, stopping=Stopping.from_dict(data["stopping"]), seeds=tuple(data["seeds"]), margin=data["margin"]
    )


def declare(study: Study, root: Path, records: Sequence[Record], url: str | None = None) -> Study:
    """Write down the rule of a whole study, also in PostgreSQL at `url`, unless it is there.

    A StudyError where another rule was declared before, or where `records` of its runs are from before any.
    """
    assert study.stopping is not None
    data = _stored(study, root, url)
    if data is not None:
        before = with_rule(study, root, url)
        for name, then, now in (
            ("", before.stopping, study.stopping),
            ("margin ", before.margin, study.margin),
            ("seeds ", before.seed_list, study.seed_list),
        ):
            if then != now:
                raise StudyError(
                    f"{study.label}: {name}{now} is not what was declared before the first result ({name}{then}); a "
                    "rule that changes while its results come in does not hold its level"
                )
        _write(study, root, url, data)
        return before
    refuse_looked(study, records, root, url)
    data = {
        "schema": SCHEMA,
        **_purpose(study),
        "seeds": list(study.seed_list),
        "stopping": study.stopping.to_dict(),
        "margin": study.margin,
        "declared": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }
    _write(study, root, url, data)
    return study


def _write(study: Study, root: Path, url: str | None, data: dict[str, Any]) -> None:
    """Put the rule where it is not yet: into the database first, which other hosts read, then into the file."""
    if url is not None and _in_database(study, url) is None:
        from studies.storage.optuna_storage import close_storage, database, open_study

        storage = database(url)
        try:
            open_study(storage, study).set_user_attr(ATTRIBUTE, json.dumps(data))
        finally:
            close_storage(storage)
    _keep(study, root, data)


def _keep(study: Study, root: Path, data: dict[str, Any]) -> None:
    keep_object(file_of(root, study), data)


def _stored(study: Study, root: Path, url: str | None) -> dict[str, Any] | None:
    path = file_of(root, study)
    here, there = read_rule(path), _in_database(study, url) if url is not None else None
    if here is not None and there is not None and here != there:
        raise StudyError(
            f"{study.label}: {path} and the database hold different stopping rules; the first one declared counts: "
            "remove the file if it is the later one"
        )
    data = here or there
    if data is None:
        return None
    now = _purpose(study)
    changed = [f"row {row}" for row, key in now["rows"].items() if data["rows"].get(row) != key]
    changed += [f"the baseline of {row}" for row, own in now["baselines"].items() if data["baselines"].get(row) != own]
    changed += [f"{name} {now[name]}" for name in ("study", "metric", "comparisons") if data[name] != now[name]]
    if changed:
        raise StudyError(
            f"{study.label}: its stopping rule was declared {data['declared']} for other runs than these "
            f"({', '.join(changed)}); rows cannot change after that: give the study another name"
        )
    return data


def _purpose(study: Study) -> dict[str, Any]:
    return {
        "study": study.label,
        "metric": study.metric,
        "comparisons": study.comparisons,
        "rows": {row: run.key for row, run in study.rows.items()},
        "baselines": {row: panel.baseline for panel in study.panels for row in panel.rows},
    }


def _in_database(study: Study, url: str) -> dict[str, Any] | None:
    from studies.storage.optuna_storage import close_storage, database

    storage = database(url)
    try:
        text = storage.get_study_user_attrs(storage.get_study_id_from_name(study.label)).get(ATTRIBUTE)
    except KeyError:
        return None
    finally:
        close_storage(storage)
    where = f"the rule of {study.label} in the database"
    try:
        return None if text is None else _checked(parse(text), where)
    except FolderError:
        raise
    except ValueError as error:
        raise FolderError(f"{where}: not JSON ({error})") from None


def declared_on(study: Study, root: Path) -> str | None:
    """Return when the study's stopping rule was declared, as its file under `root` has it; None where there is none."""
    data = read_rule(file_of(root, study)) if study.stopping is not None else None
    return None if data is None else str(data["declared"])


def first_fresh(study: Study, root: Path, url: str | None = None) -> int:
    """Return the first seed from which on none of a rule's seeds, by default `Stopping`'s, has shown a figure."""
    rule, first = study.stopping or Stopping(), min(study.seed_list)
    while True:
        later = study.stopping_by(rule, first)
        begun = begun_runs(gather_everywhere(later, root, url, keep=False))
        if not begun:
            return first
        first = max(record.run.seed for record in begun) + 1


def begun_runs(records: Sequence[Record]) -> list[Record]:
    """Return the runs that have shown a figure by which a rule could have been chosen: those that trained an epoch.

    A baseline's do, too: who sees that its seeds were unlucky could declare a rule for these. Declared in the fifth of
    studies whose baseline is worst, a rule of 5 % errs in 6.9 %, and in 9 % where the rows of another study tell which
    these are (five rows, n = 10,000; `tests/benchmarks/known_baseline.py`). So studies that share a baseline are
    declared before any of them trains: in one `bam run A B --until-resolved`.
    """
    return [record for record in records if record.epochs]


def refuse_looked(
    study: Study, records: Sequence[Record], root: Path, url: str | None = None, *, written: bool = False
) -> None:
    """Raise a StudyError where a run has shown what the study's rule, `written` in its file, could be chosen by."""
    if begun := begun_runs(records):
        assert study.stopping is not None
        fresh = first_fresh(study, root, url)
        seeds = f"ask fresh seeds with --first-seed {fresh}"
        if written:
            seeds = f"give it fresh ones, seeds=range({fresh}, {fresh + study.stopping.declared})"
        raise StudyError(
            f"{study.label}: {len(begun)} of its runs had begun before a stopping rule was declared (as "
            f"{begun[0].row!r}, seed {begun[0].run.seed}); a rule made after a look does not hold its level: {seeds}, "
            "or another --root"
        )
