"""Rows whose seeds a rule of another study stops: what they ran beyond its first look was decided by what it showed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lightning_bam.files import read_object
from studies.study import Study

RULES: Final = "rules"
"""The folder of declared rules under the runs folder; see `studies.rule`."""
SCHEMA: Final = 1
"""Version of a rule's file."""


def ruled_elsewhere(study: Study, root: Path) -> dict[str, str]:
    """Return the rows of a study that has no rule, some runs of which another study's rule under `root` gives.

    Args:
        study: a study without a rule.
        root: the runs folder; rules that stand only in a database are not looked for.

    Returns:
        Row -> the label of the first study, by name, whose rule gives or withholds some of its seeds. A baseline is
        given seeds whatever it shows, and every row those of the first look.

    Raises:
        FolderError: a rule that is torn. One of another version says nothing.

    """
    rows = {run.key: row for row, run in study.rows.items()}
    found: dict[str, str] = {}
    for path in sorted((root / RULES).glob("*.json")):
        rule = read_object(path) or {}
        if rule.get("schema") != SCHEMA:
            continue
        baselines = set(rule.get("baselines", {}).values())
        first, *_ = rule.get("stopping", {}).get("looks") or [0]
        if not set(rule.get("seeds", ())[first:]) & set(study.seed_list):
            continue
        for ruled, key in rule.get("rows", {}).items():
            if key in rows and ruled not in baselines:
                found.setdefault(rows[key], rule.get("study", path.stem))
    return {row: found[row] for row in study.rows if row in found}
