"""The Slurm jobs of a runs folder: which were submitted, and where those stand that have not ended."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lightning_bam.run_folder.files import append_line, read_text

FIELDS: Final = ("JobArrayID", "State", "NodeList", "RestartCnt", "TimeUsed", "Reason")
NUMBER: Final = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, kw_only=True)
class SlurmJob:
    """One job that has not ended.

    Attributes:
        job: `12_0`, its array's number and its own.
        study: the label of the study that it works on.
        state: Slurm's own word, as PENDING, RUNNING or COMPLETING.
        node: where it runs, or empty.
        requeued: how often.
        elapsed: how long it has been running, as Slurm writes it.
        reason: why it waits, in Slurm's words, or `None`.

    """

    job: str
    study: str
    state: str
    node: str
    requeued: int
    elapsed: str
    reason: str


def folder_of(root: Path) -> Path:
    """Return where the jobs of a runs folder leave their logs and submitit's files."""
    return root.absolute() / "slurm"


def note(root: Path, job: str, study: str, workers: int) -> None:
    """Write down a submission, in one write."""
    line = {
        "job": job,
        "study": study,
        "workers": workers,
        "submitted": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    append_line(folder_of(root) / "submissions.jsonl", json.dumps(line))


def submissions(root: Path) -> dict[str, dict[str, Any]]:
    """Return what was submitted for `root`, by the number of the job array; a line that says no such thing is none.

    The numbers become words of a command.

    Raises:
        FolderError: the file of submissions is no plain file.

    """
    try:
        lines = read_text(folder_of(root) / "submissions.jsonl").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found = {}
    for line in lines:
        with suppress(ValueError, RecursionError):
            told = json.loads(line)
            if isinstance(told, dict) and NUMBER.fullmatch(str(told.get("job"))) and isinstance(told.get("study"), str):
                found[str(told["job"])] = told
    return found


def jobs(root: Path) -> list[SlurmJob]:
    """Return the jobs of `root` that Slurm has not ended yet; none where there is no Slurm here, or it does not answer.

    Slurm's numbers begin again on another cluster, so jobs that were submitted elsewhere are not asked for unless
    their numbers coincide: look at a root from the cluster that works on it.
    """
    asked = submissions(root)
    if not asked or not shutil.which("squeue"):
        return []
    wanted = ",".join(f"{name}:|" for name in FIELDS)
    command = ["squeue", "--noheader", "--array", f"--Format={wanted}", f"--jobs={','.join(asked)}"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):  # Slurm forgets an ended job, and then does not know its number
        return []
    return [_read(line, asked) for line in said.splitlines() if line.partition("|")[0].partition("_")[0] in asked]


def _read(line: str, asked: dict[str, dict[str, Any]]) -> SlurmJob:
    job, state, node, requeued, elapsed, reason = line.split("|")[: len(FIELDS)]
    study = str(asked[job.partition("_")[0]]["study"])
    return SlurmJob(
        job=job, study=study, state=state, node=node, requeued=int(requeued), elapsed=elapsed, reason=reason
    )
