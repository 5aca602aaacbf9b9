"""What verbs tell W&B of a study, the bundle in it, and what they say of runs that no server has."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.cli.selection import due_records, root_of, words
from analysis.table.counted import tables_of
from lightning_bam.run_folder.files import FolderError
from studies.coordination.sync import gather_everywhere
from studies.definition.study import Study
from studies.errors import StudyError
from studies.job.job import WandbMode
from studies.library import is_file
from studies.records.records import Record
from studies.terminal.text import one_line
from studies.tracking.names import analysis_id
from studies.tracking.standing import is_told, standing
from studies.tracking.store import unsent_line

if TYPE_CHECKING:
    from analysis.bundle.contents import BundleOptions
    from studies.engine.scheduler import Options


def bundle_options(name: str, arguments: argparse.Namespace) -> BundleOptions:
    """Return what a bundle of the study that a call calls `name` holds, without logs and weights."""
    from analysis.bundle.contents import BundleOptions  # loads matplotlib

    own = Path(name) if is_file(name) else None
    return BundleOptions(words=["study.py" if own else name, *words(arguments, root=False)], own=own, logs=False)


def conclude(name: str, study: Study, arguments: argparse.Namespace, options: Options) -> None:
    """Tell W&B, if it is told of runs, what a study has come to, unless it has heard of that already.

    `name` is what the call calls the study.
    """
    if options.wandb == "off":
        return
    root = root_of(arguments)
    every = gather_everywhere(study, root, options.storage)
    records = due_records(study, every)
    try:
        if is_told(root, study.label, standing(records), options.wandb) or nothing_begun(records):
            return
        from analysis.review.send import tell_wandb  # loads matplotlib

        (table,) = tables_of([(study, every)])
        tell_wandb(study, records, table, root, options.wandb, bundle_options(name, arguments), alert=options.alert)
    except (FolderError, StudyError) as error:
        print(f"bam: W&B: {one_line(str(error))}", file=sys.stderr)


def nothing_begun(records: Sequence[Record]) -> bool:
    """Say whether no run of a study was begun: W&B may know more of it, from elsewhere."""
    return all(record.state == "missing" for record in records)


def tell_unsent(studies: Iterable[Study], root: Path, mode: WandbMode) -> None:
    """Say how many runs of these studies, and of their analyses, no W&B server has, and what sends them."""
    if mode == "off":
        return
    ids = {one for study in studies for one in (analysis_id(study.label), *(cell.run.key for cell in study.runs()))}
    tell_unsent_runs(ids, root, mode)


def tell_unsent_runs(ids: Collection[str], root: Path, mode: WandbMode) -> None:
    """Say how many of these runs of W&B no server has, and what sends them."""
    if line := unsent_line(root, ids, mode):
        print(f"bam: {one_line(line)}", file=sys.stderr)
