"""The files of declared rules: read and checked, sealed for the runs that are begun under them, and which of them stop
rows of another study: what these ran beyond the rule's first look was decided by what it showed.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any, Final

from lightning_bam.run_folder.files import FolderError, inside, read_object, refuse, write_object
from lightning_bam.run_folder.hashes import hash_text
from lightning_bam.run_folder.provenance import commit
from studies.coordination.sync import gather_everywhere
from studies.definition.stopping import Stopping
from studies.definition.study import Study
from studies.errors import StudyError
from studies.records.records import Record
from studies.stopping_rules.fresh_seeds import refuse_looked

RULES: Final = "rules"
"""The folder of declared rules under the runs folder; see `studies.stopping_rules.declaration`."""
SCHEMA: Final = 1
"""Version of a rule's file."""


def path_of(root: Path, label: str) -> Path:
    """Return where the rule of the study with this label stands under `root`.

    Raises:
        FolderError: a label that cannot be a file's name, or the folder of rules is a link.

    """
    refuse(root / RULES, stat.S_IFDIR)
    return inside(root / RULES, f"{label.replace('/', '_')}.json")


def read_rule(path: Path) -> dict[str, Any] | None:
    """Return the rule in a file, or None where there is no such file.

    Raises:
        FolderError: a file that cannot be read, of another version, or that holds something else.

    """
    try:
        data = read_object(path)
    except FolderError as error:
        raise FolderError(f"{str(error).partition('; ')[0]}; restore the rule from a copy") from None
    return None if data is None else checked_rule(data, str(path))


def checked_rule(data: object, where: str) -> dict[str, Any]:
    """Return what was read as a rule, once all of it is of the types that `declare` writes.

    Args:
        data: from a colleague's file or database.
        where: that it was read from.

    Raises:
        FolderError: it is of another version, or something in it is none.

    """
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        schema = repr(data.get("schema") if isinstance(data, dict) else data)[:40]
        raise FolderError(f"{where}: written with schema {schema}, this version reads {SCHEMA}")
    try:
        rule = Stopping.from_dict(data.get("stopping"))
    except StudyError as error:
        raise FolderError(f"{where}: {error}") from None
    seeds, margin = data.get("seeds"), data.get("margin")
    given = [seed for seed in seeds if type(seed) is int and seed >= 0] if isinstance(seeds, list) else []
    bounded = margin is None or (type(margin) in (int, float) and 0 < margin < 100 and isfinite(margin))
    for name, good, wanted in (
        ("study", isinstance(data.get("study"), str), "a study's label"),
        ("metric", isinstance(data.get("metric"), str), "a metric"),
        ("comparisons", type(data.get("comparisons")) is int, "a number of comparisons"),
        ("rows", _are_texts(data.get("rows")), "the key of each row"),
        ("baselines", _are_texts(data.get("baselines")), "the baseline of each row"),
        ("seeds", seeds == given and len(set(given)) == len(given) == rule.most, f"{rule.most} seeds, each once"),
        ("margin", bounded, "percentage points between 0 and 100, or none"),
        ("declared", moment(data.get("declared")) is not None, "a time with its zone"),
    ):
        if not good:
            shown = repr(data.get(name))[:40]
            raise FolderError(f"{where}: its {name} is {shown}, not {wanted}: edited; restore it from a copy")
    return data


def _are_texts(data: object) -> bool:
    return isinstance(data, dict) and all(isinstance(value, str) for value in data.values())


def moment(told: object) -> datetime | None:
    """Return the time that an ISO text with a zone tells; None for anything else."""
    try:
        found = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def seal(root: Path, label: str) -> dict[str, str]:
    """Return what the manifest of a run keeps of the rule that it is begun under; empty where its study has none.

    Raises:
        FolderError: a rule that cannot be read, or is none.

    """
    rule = read_rule(path_of(root, label))
    if rule is None:
        return {}
    return {"rule": hash_text(json.dumps(rule, sort_keys=True)), "declared": rule["declared"]}


def ruled_elsewhere(study: Study, root: Path) -> dict[str, str]:
    """Return the rows of a study that has no rule, some runs of which another study's rule under `root` gives.

    Args:
        study: a study without a rule.
        root: the runs folder; rules that stand only in a database are not looked for.

    Returns:
        Row -> the label of the first study, by name, whose rule gives or withholds some of its seeds. A baseline is
        given seeds whatever it shows, and every row those of the first look.

    Raises:
        FolderError: the folder of rules is a link. A rule of another version says nothing; nor does one that cannot be
            read, which is said on stderr: it is another study's.

    """
    refuse(root / RULES, stat.S_IFDIR)
    rows = {run.key: row for row, run in study.rows.items()}
    found: dict[str, str] = {}
    for path in sorted((root / RULES).glob("*.json")):
        try:
            data = read_object(path) or {}
            if data.get("schema") != SCHEMA:
                continue
            rule = checked_rule(data, str(path))
        except FolderError as error:
            print(f"bam: passed over: {error}", file=sys.stderr)
            continue
        baselines = set(rule["baselines"].values())
        if not set(rule["seeds"][rule["stopping"]["looks"][0] :]) & set(study.seed_list):
            continue
        for ruled, key in rule["rows"].items():
            if key in rows and ruled not in baselines:
                found.setdefault(rows[key], rule["study"])
    return {row: found[row] for row in study.rows if row in found}


ATTRIBUTE: Final = "rule"
"""Under which name the rule stands in its Optuna study."""


def file_of(root: Path, study: Study) -> Path:
    """Return where the rule of a study stands under `root`."""
    return path_of(root, study.label)


def declared(study: Study, root: Path, url: str | None = None, *, keep: bool = True) -> Study:
    """Return the study with the rule that was declared for it, or as it is where none was; then `ruled_by` is filled.

    A rule that stands in the study's file alone counts as long as none of its runs has begun: `bam run` declares it.
    One that stands in the database alone is written under `root`, where the runs that it stopped are fetched to.

    Args:
        study: the study, or some of its rows.
        root: the runs folder.
        url: PostgreSQL, where another host may have declared it.
        keep: write what is found there under `root`.

    Raises:
        FolderError: a rule that cannot be read, or one of another host that cannot be written.
        StudyError: a rule that was declared for other rows, another baseline or metric; or one that was not, of a
            study that has results.

    """
    data = _found(study, root, url)
    if data is None:
        if study.stopping is not None:
            refuse_looked(study, gather_everywhere(study, root, url, keep=keep), root, url)
            return study
        others = ruled_elsewhere(study, root)
        return replace(study, ruled_by=others) if others else study
    if keep:
        _keep(study, root, data)
    return replace(
        study, stopping=Stopping.from_dict(data["stopping"]), seeds=tuple(data["seeds"]), margin=data["margin"]
    )


def declare(study: Study, root: Path, records: Sequence[Record], url: str | None = None) -> Study:
    """Write down the rule of a study before its first result, or find the same one written already.

    Args:
        study: the whole study, with `stopping`.
        root: the runs folder.
        records: what there is of its runs.
        url: PostgreSQL, to tell other hosts.

    Raises:
        FolderError: it cannot be written.
        StudyError: another rule was declared before, or there are results from before any.

    """
    assert study.stopping is not None
    data = _found(study, root, url)
    if data is not None:
        before = declared(study, root, url)
        for name in ("stopping", "margin", "seed_list"):
            then, now = getattr(before, name), getattr(study, name)
            if then != now:
                raise StudyError(
                    f"{study.label}: {_shown(name, now)} is not what was declared before the first result "
                    f"({_shown(name, then)}); a rule that changes while its results come in does not hold its level"
                )
        _write(study, root, url, data)
        return before
    refuse_looked(study, records, root, url)
    data = {
        "schema": SCHEMA,
        **_asked(study),
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
    if url is not None and _told(study, url) is None:
        _tell(study, url, data)
    _keep(study, root, data)


def _keep(study: Study, root: Path, data: dict[str, Any]) -> None:
    """Write the file of a rule, unless it is there."""
    path = file_of(root, study)
    if os.path.lexists(path):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"{path.parent}: cannot be made ({error.strerror})") from None
    write_object(path, data)


def _found(study: Study, root: Path, url: str | None) -> dict[str, Any] | None:
    """Return the rule as it was written down, if it was, and for these rows."""
    path = file_of(root, study)
    here, there = read_rule(path), _told(study, url) if url is not None else None
    if here is not None and there is not None and here != there:
        raise StudyError(
            f"{study.label}: {path} and the database hold different stopping rules; the first one declared counts: "
            "remove the file if it is the later one"
        )
    data = here or there
    if data is None:
        return None
    asked = _asked(study)
    changed = [f"row {row}" for row, key in asked["rows"].items() if data.get("rows", {}).get(row) != key]
    then = data.get("baselines", {})
    changed += [f"the baseline of {row}" for row, baseline in asked["baselines"].items() if then.get(row) != baseline]
    changed += [f"{name} {asked[name]}" for name in ("study", "metric", "comparisons") if data.get(name) != asked[name]]
    if changed:
        raise StudyError(
            f"{study.label}: its stopping rule was declared {data.get('declared')} for other runs than these "
            f"({', '.join(changed)}); rows cannot change after that: give the study another name"
        )
    return data


def _asked(study: Study) -> dict[str, Any]:
    """Return what a rule is for."""
    return {
        "study": study.label,
        "metric": study.metric,
        "comparisons": study.comparisons,
        "rows": {row: run.key for row, run in study.rows.items()},
        "baselines": {row: panel.baseline for panel in study.panels for row in panel.rows},
    }


def _shown(name: str, value: object) -> str:
    if name == "seed_list" and isinstance(value, tuple):
        return f"seeds {value[0]} to {value[-1]}"
    return f"margin {value}" if name == "margin" else f"{value}"


def _told(study: Study, url: str) -> dict[str, Any] | None:
    """Return the rule in its Optuna study in PostgreSQL, if there is one."""
    from studies.storage.optuna_storage import close_storage, database

    storage = database(url)
    try:
        number = storage.get_study_id_from_name(study.label)
        told = storage.get_study_user_attrs(number).get(ATTRIBUTE)
    except KeyError:
        return None
    finally:
        close_storage(storage)
    return _read(told, f"the rule of {study.label} in the database") if told is not None else None


def _read(told: object, where: str) -> dict[str, Any]:
    try:
        data = json.loads(told) if isinstance(told, str) else told
    except (ValueError, RecursionError) as error:
        raise FolderError(f"{where}: not JSON ({error})") from None
    return checked_rule(data, where)


def _tell(study: Study, url: str, data: dict[str, Any]) -> None:
    """Put the rule into its Optuna study in PostgreSQL."""
    from studies.storage.optuna_storage import close_storage, database, open_study

    storage = database(url)
    try:
        open_study(storage, study).set_user_attr(ATTRIBUTE, json.dumps(data))
    finally:
        close_storage(storage)
