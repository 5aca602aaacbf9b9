"""The files of declared rules: read and checked, sealed for the runs that are begun under them, and which of them stop
rows of another study: what these ran beyond the rule's first look was decided by what it showed.
"""

from __future__ import annotations

import json
import stat
import sys
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any, Final

from lightning_bam.run_folder.files import FolderError, inside, read_object, refuse
from lightning_bam.run_folder.hashes import hash_text
from studies.definition.stopping import Stopping
from studies.definition.study import Study
from studies.errors import StudyError

RULES: Final = "rules"
"""The folder of declared rules under the runs folder; see `studies.stopping_rules.rule`."""
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
    """Return what was read as a rule, once all of it is of the types that `studies.stopping_rules.rule.declare` writes.

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
