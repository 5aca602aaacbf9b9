"""From a row of a table to the runs behind it: what was trained, when, where and with what, and why it failed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from lightning_bam.config import flatten
from lightning_bam.run_folder.files import read_tail
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import Manifest
from lightning_bam.run_folder.result import headline, reported, so_far
from studies.definition.study import Study
from studies.errors import StudyError
from studies.records.records import Record

LAST_WORDS: Final = 30
"""Lines of a log that stand for a traceback that nobody recorded."""
ATTEMPT: Final = (
    "attempt",
    "started",
    "from_epoch",
    "from_batch",
    "anew",
    "damaged",
    "failed",
    "cause",
    "host",
    "device",
    "cpu",
    "world_size",
    "threads",
    "version",
    "commit",
    "torch",
    "torchvision",
    "pytorch_lightning",
    "python",
    "data",
)
"""What an attempt is told with, in this order; a record of an older version may lack some."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A row, what sets it apart from its baseline, and its runs, seed by seed."""

    study: str
    question: str
    row: str
    baseline: str
    differences: dict[str, dict[str, Any]]
    config: dict[str, Any]
    runs: list[dict[str, Any]]


def find_row(study: Study, text: str) -> str:
    """Return the row that `text` names, in any case.

    Raises:
        StudyError: no such row, with the nearest one's name.

    """
    if text in study.rows:
        return text
    lower = {row.lower(): row for row in study.rows}
    if text.lower() in lower:
        return lower[text.lower()]
    close = difflib.get_close_matches(text.lower(), lower, n=1, cutoff=0.5)
    hint = f"did you mean {lower[close[0]]!r}?" if close else f"rows: {', '.join(study.rows)}"
    raise StudyError(f"{study.label}: no row {text!r}; {hint}")


def explain(study: Study, records: Sequence[Record], row: str, seed: int | None = None) -> Explanation:
    """Gather what is behind `row`, or behind its run of one seed.

    Args:
        study: the study.
        records: its records.
        row: a row of it, as `find_row` returns it.
        seed: one of its seeds; None for all.

    Raises:
        StudyError: a seed that the study does not ask.

    """
    mine = [record for record in records if record.row == row and seed in (None, record.run.seed)]
    if not mine:
        seeds = ", ".join(map(str, study.seed_list))
        raise StudyError(f"{study.label}: seed {seed}: it is asked with seeds {seeds}; --seeds N asks with more")
    baseline = next(panel.baseline for panel in study.panels if row in panel.rows)
    here, there = flatten(study.rows[row]), flatten(study.rows[baseline])
    names = [name for name in dict.fromkeys((*here, *there)) if here.get(name, "-") != there.get(name, "-")]
    return Explanation(
        study=study.label,
        question=study.question,
        row=row,
        baseline=baseline,
        differences={name: {"row": here.get(name, "-"), "baseline": there.get(name, "-")} for name in names},
        config={name: value for name, value in here.items() if name != "seed"},
        runs=[_run(record) for record in mine],
    )


def _run(record: Record) -> dict[str, Any]:
    """Return everything about one run as JSON data."""
    manifest, path = record.manifest, record.folder.path
    scored = [figure for line in record.metrics if (figure := so_far(record.run, line)) is not None]
    failed = record.state == "failed"
    return {
        "seed": record.run.seed,
        "state": record.state,
        "key": record.run.key,
        "folder": str(path),
        "epoch": len(record.metrics),
        "epochs": record.run.recipe.epochs,
        "metric": headline(record.run).name,
        "figure": reported(record.run, record.result) if record.result else None,
        "so_far": scored[-1] if scored else None,
        "result": {k: v for k, v in asdict(record.result).items() if v is not None} if record.result else None,
        "attempts": _attempts(manifest),
        "checkpoint": str(record.folder.checkpoint) if record.folder.has_checkpoint else None,
        "logs": [str(log) for log in logs(path)],
        "wandb": [str(found) for found in sorted(path.glob("wandb/*run-*")) if not (path / "wandb").is_symlink()],
        "cause": manifest.cause if failed else None,
        "error": manifest.error if failed else None,
        "rank": manifest.rank if failed else None,
        "traceback": manifest.traceback or last_words(path, manifest.rank) if failed else None,
    }


def _attempts(manifest: Manifest) -> list[dict[str, Any]]:
    """Return every attempt at a run, and whether its figures rest on it, as those do that the last one began with."""
    attempts = manifest.attempts or manifest.effective
    before = len(attempts) - len(manifest.effective)
    recorded = [one.model_dump(exclude_unset=True, exclude_none=True) for one in attempts]
    return [
        {name: one[name] for name in ATTEMPT if name in one} | {"counts": place >= before}
        for place, one in enumerate(recorded)
        if "started" in one
    ]


def logs(folder: Path) -> list[Path]:
    """Return what the ranks and their launcher printed, those that printed anything."""
    run = RunFolder(folder)
    names = [*sorted(path.name for path in folder.glob("rank*.log")), "launcher.log"]
    return [folder / name for name in names if run.has(name)]


def last_words(folder: Path, rank: int | None) -> str | None:
    """Return the last traceback in the log of the rank that failed, else in the first log that has one."""
    found = {path.stem: read_tail(path).strip().splitlines() for path in logs(folder)}
    for lines in (found.get(f"rank{rank}", []), *found.values()):
        if starts := [number for number, line in enumerate(lines) if line.startswith("Traceback")]:
            return "\n".join(lines[starts[-1] :][-LAST_WORDS:])
    return None
