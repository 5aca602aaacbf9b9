"""For which studies a run was trained, as its manifest keeps it, so that a study cannot lose runs without a trace."""

import os
import re
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from lightning_bam.config import Run, to_dict
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import Manifest
from lightning_bam.user_code.load import own_parts
from studies.definition.study import Cell, Selection, Study
from studies.records.records import Record, record_of

KEY: Final = re.compile("[0-9a-f]{16}")
"""What the folder of a run is called."""
ASKED: Final = "asked"
"""Under which name a manifest keeps the words by which a study was asked."""
OPTIONS: Final = ("--preset", "--set", "--seeds", "--margin")
"""The options among them, each with a value."""
LONGEST: Final = 1_000
"""Characters of them that are kept, as a manifest can hold."""


class Other(NamedTuple):
    """A run that was begun for a row of a study, of whose runs it is none now; `ended` with a result or a failure.

    `purpose` is the row, the study's metric and margin, and, where it had a stopping rule, the rule's seal.
    """

    row: str
    run: Run
    purpose: Mapping[str, str]
    ended: bool
    complete: bool


def judged_by(study: Study) -> dict[str, str]:
    """Return what the manifest of a run keeps of how its study judges: its metric and its margin."""
    return {"metric": study.metric, "margin": margin_text(study.margin)}


def asked_by(study: Study) -> dict[str, str]:
    """Return what the manifest of a run keeps of how its study was asked at a prompt; empty where it was not."""
    text = shlex.join(Selection.of(study).asked)
    return {ASKED: text} if text.isprintable() and 0 < len(text) <= LONGEST else {}


def asked(entry: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words of `asked_by`, a study and the options that select of it; empty for anything else."""
    try:
        name, *options = shlex.split(entry.get(ASKED, ""))
    except ValueError:
        return ()
    pairs = list(zip(options[::2], options[1::2], strict=False))
    whole = not name.startswith("-") and len(options) % 2 == 0 and all(option in OPTIONS for option, _ in pairs)
    return (name, *options) if whole and all(word.isprintable() for word in (name, *options)) else ()


def margin_text(margin: float | None) -> str:
    """Write a margin as `±0.3`, or `none`."""
    return "none" if margin is None else f"±{margin:g}"


def purpose(manifest: Manifest, label: str) -> dict[str, str] | None:
    """Return for what a study has begun a run; None where it has not, or an older version did."""
    entry = (manifest.studies or {}).get(label)
    return entry if entry and "row" in entry else None


def earlier_code(rows: Mapping[str, Run], beside: Iterable[Other]) -> Counter[str]:
    """Count for each row the results that differ from it in nothing but the code of the user's own classes."""

    def without_code(run: Run) -> dict[str, Any]:
        data = to_dict(replace(run, seed=0))
        return {name: {**part, "code": ""} if isinstance(part, dict) else part for name, part in data.items()}

    expected = {row: without_code(run) for row, run in rows.items() if own_parts(run)}
    return Counter(
        other.row
        for other in beside
        if other.ended and other.row in expected and without_code(other.run) == expected[other.row]
    )


def others(root: Path, keys: Mapping[str, Collection[str]]) -> dict[str, list[Other]]:
    """Return for each study what was begun for it and is none of its runs, by name of the folder.

    `keys` are those of each study's runs. A run folder that cannot be read says nothing here.
    """
    runs: dict[str, list[Other]] = {label: [] for label in keys}
    everyone = set.intersection(*map(set, keys.values())) if keys else set()
    try:
        names = sorted(name for name in os.listdir(root) if name not in everyone and KEY.fullmatch(name))  # noqa: PTH208
    except OSError:
        return runs
    for name in names:
        folder = RunFolder(f"{root}/{name}")
        with suppress(FolderError):
            manifest = folder.manifest()
            for label in keys:
                entry = purpose(manifest, label) if name not in keys[label] else None
                if entry is not None and (run := folder.run()).key == name:
                    complete = (folder.path / "result.json").exists()
                    runs[label].append(
                        Other(entry["row"], run, entry, complete or manifest.state == "failed", complete)
                    )
    return runs


def searched(root: Path, wanted: Callable[[str], bool]) -> list[Record]:
    """Return every run under `root` that a search of a `wanted` label has begun; none that cannot be read."""
    records = []
    for name in sorted(os.listdir(root)) if root.is_dir() else ():  # noqa: PTH208
        folder = RunFolder(f"{root}/{name}")
        with suppress(FolderError):
            studies = folder.manifest().studies or {} if KEY.fullmatch(name) else {}
            if any(label.startswith("search+") and wanted(label) for label in studies):
                records.append(record_of(Cell("", folder.run()), root))
    return records
