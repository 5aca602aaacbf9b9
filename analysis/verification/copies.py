"""Two runs with the same figures or the same attempt: a run folder, or a part of one, was copied over another."""

import json
from collections.abc import Iterable
from typing import Final

from analysis.verification import Finding
from analysis.verification.folders import Checked
from lightning_bam.run_folder.hashes import hash_text
from studies.records.records import Record

NOT_COMPUTED: Final = ("epoch", "lr", "seconds")
"""What an epoch's line holds besides figures that the training computed."""
COPIED: Final = ": one was copied over the other; remove both folders to train them again"


def copies(runs: Iterable[Checked]) -> list[Finding]:
    """Name runs that have another run's attempt, or its figures, epoch by epoch.

    Each attempt has a nonce of its own. Equal figures at another seed are a copy, too; at the same seed they are a note
    alone: what sets the two rows apart changed nothing.
    """
    by_attempt: dict[str, Checked] = {}
    by_figures: dict[str, Checked] = {}
    findings = []
    for run in runs:
        if run.record is None or run.record.result is None or run.problems:
            continue
        path, nonce, figures = run.folder.path, run.record.manifest.nonce, _figures(run.record)
        source = by_attempt.setdefault(nonce, run) if nonce else run
        double = by_figures.setdefault(figures, run) if figures else run
        if source is not run:
            text = f"{path}/manifest.json: is of the attempt at {_name(source)}{COPIED}"
            findings.append(run.finding(text))
        elif double is not run:
            other_seed = double.cell.run.seed != run.cell.run.seed
            which = f", though the seed differs{COPIED}" if other_seed else ": what sets them apart changed nothing"
            text = f"{path}/metrics.jsonl: has the losses of {_name(double)}{which}"
            findings.append(run.finding(text, "problem" if other_seed else "note"))
    return findings


def _name(run: Checked) -> str:
    at = f" ({run.study}, row {run.cell.row!r}, seed {run.cell.run.seed})" if run.study is not None else ""
    return f"{run.folder.path.name}{at}"


def _figures(record: Record) -> str:
    """Return a hash of what the training computed, epoch by epoch; empty where no loss is among it."""
    if not any("train_loss" in line for line in record.metrics):
        return ""
    computed = [{name: line[name] for name in sorted(line) if name not in NOT_COMPUTED} for line in record.metrics]
    return hash_text(json.dumps(computed))
