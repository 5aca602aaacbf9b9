"""What W&B was told of a study last: where its runs stood, noted beside the record of its analysis run."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from lightning_bam.run_folder.files import read_text, replace
from studies.job.job import WandbMode
from studies.records.records import Record
from studies.tracking.connection import project
from studies.tracking.names import analysis_id
from studies.tracking.store import SENT, records

FILE: Final = "standing"
"""The file in the record's folder."""


def standing(runs: Sequence[Record]) -> str:
    """Return where the runs of a study stand, as a digest: another one is to be told."""
    told = [project(), *((run.row, run.run.key, run.state) for run in runs)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def is_told(root: Path, label: str, now: str, mode: WandbMode) -> bool:
    """Say whether the study of that label has an analysis run of this standing, where online a server has it.

    What was recorded offline and sent later lacks what needs a server.
    """
    for newest in records(root, analysis_id(label))[-1:]:
        sent = not newest.name.startswith("offline-") and any(newest.glob(f"*{SENT}"))
        with suppress(OSError, UnicodeDecodeError):
            return (mode == "offline" or sent) and read_text(newest / FILE) == now
    return False


def note_told(root: Path, label: str, now: str) -> None:
    """Note beside the newest record of a study's analysis run what it was made of."""
    for newest in records(root, analysis_id(label))[-1:]:
        replace(newest / FILE, now)
