"""Runs that ended while W&B was being told of them, as at a kill, are told again before others are trained."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from lightning_bam.run_folder.files import FolderError
from studies.definition.study import Cell
from studies.errors import StudyError
from studies.job.job import About, WandbMode
from studies.terminal.text import one_line
from studies.tracking.marks import open_runs
from studies.tracking.replay import cut_off, replay
from studies.workers.aside import Aside

A_RUN: Final = 60.0
"""Seconds that telling W&B of a run again may take."""


def tell_cut_off(label: str, cells: Callable[[], Iterable[Cell]], about: About, root: Path, mode: WandbMode) -> None:
    """Tell W&B again of those runs that were cut off; `cells` returns all of the study or search with this label.

    A line on stderr says of how many, or why they stay as they are.
    """
    try:
        if mode == "off" or not open_runs(root):
            return
        rows = {cell.run.key: cell.row for cell in cells()}
        keys = cut_off(root, rows)
        if not keys:
            return
        with Aside(A_RUN * len(keys)) as wandb:
            told = wandb.ask(replay, root.absolute(), mode, label, about, {key: rows[key] for key in keys})
    except (FolderError, StudyError) as error:
        print(f"bam: W&B: runs whose record is cut off stay as they are: {one_line(str(error))}", file=sys.stderr)
        return
    if told:
        print(f"bam: W&B: {label}: told again of runs whose record was cut off: {told}", file=sys.stderr)
