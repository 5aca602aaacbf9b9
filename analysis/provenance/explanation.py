"""From a row of a table to the runs behind it: what was trained, when, where and with what, and why it failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from lightning_bam.config import flatten, nearest
from lightning_bam.run_folder.manifest import Attempt, Manifest
from lightning_bam.run_folder.result import headline, reported, so_far
from lightning_bam.user_code.keep import FOLDER
from studies.definition.study import Study
from studies.errors import StudyError
from studies.records.records import Record
from studies.tracking.store import records as wandb_records

ATTEMPT: Final = tuple(name for name in Attempt.model_fields if name != "nonce")
"""What is shown of an attempt; a record of an older version may lack some."""


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
    """Return the row that `text` names, in any case; a StudyError names the nearest one."""
    by_name = {row.lower(): row for row in study.rows} | {row: row for row in study.rows}
    row = by_name.get(text, by_name.get(text.lower()))
    if row is None:
        raise StudyError(f"{study.label}: no row {text!r}; {nearest(text, study.rows)}")
    return row


def explain(study: Study, records: Sequence[Record], row: str, seed: int | None = None) -> Explanation:
    """Gather what is behind a row, as `find_row` returns it, or behind its run of one seed."""
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
    manifest, path, result = record.manifest, record.folder.path, record.result
    ranks = sorted(log.name for log in path.glob("rank*.log"))
    scores = [figure for line in record.metrics if (figure := so_far(record.run, line)) is not None]
    failure = manifest if record.state == "failed" else Manifest()
    return {
        "seed": record.run.seed,
        "state": record.state,
        "key": record.run.key,
        "folder": str(path),
        "epoch": len(record.metrics),
        "epochs": record.run.recipe.epochs,
        "metric": headline(record.run).name,
        "figure": reported(record.run, result) if result else None,
        "so_far": scores[-1] if scores else None,
        "result": result.figures() if result else None,
        "gates": record.metrics[-1].get("gates") if record.metrics else None,
        "attempts": _attempts(manifest),
        "code": str(path.parent / FOLDER / manifest.code) if manifest.code else None,
        "checkpoint": str(record.folder.checkpoint) if record.folder.has_checkpoint else None,
        "logs": [str(path / name) for name in (*ranks, "launcher.log") if record.folder.has(name)],
        "wandb": [str(run) for run in wandb_records(path.parent, record.run.key)],
        **{name: getattr(failure, name) for name in ("cause", "error", "rank", "traceback")},
    }


def _attempts(manifest: Manifest) -> list[dict[str, Any]]:
    """Return every attempt at a run, and whether its figures rest on it, as those do that the last one began with."""
    attempts = manifest.attempts or manifest.effective
    before = len(attempts) - len(manifest.effective)
    return [
        attempt.model_dump(include=set(ATTEMPT), exclude_unset=True, exclude_none=True) | {"counts": place >= before}
        for place, attempt in enumerate(attempts)
        if attempt.started is not None
    ]


def device_of(attempt: dict[str, Any]) -> str:
    """Return the device of an attempt, of a CPU with its instructions; empty where it is not recorded."""
    device = str(attempt.get("device", ""))
    return f"cpu {attempt.get('cpu', '')}".strip() if device == "cpu" else device
