"""What verbs tell W&B of a study, the bundle in it, and what they say of runs that no server has."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
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
from studies.terminal.text import one_line
from studies.tracking.names import analysis_id
from studies.tracking.store import unsent_line

if TYPE_CHECKING:
    from analysis.bundle.contents import BundleOptions
    from studies.engine.scheduler import Options


def bundle_options(name: str, arguments: argparse.Namespace) -> BundleOptions:
    """Return what a bundle of the study that a call calls `name` holds, without logs and weights."""
    from analysis.bundle.contents import BundleOptions  # loads matplotlib

    own = Path(name) if is_file(name) else None
    return BundleOptions(words=["study.py" if own else name, *words(arguments, root=False)], own=own, logs=False)


def conclude(name: str, study: Study, arguments: argparse.Namespace, options: Options) -> str:
    """Tell W&B, if it is told of runs, what a study has come to, and return the id of its analysis run.

    `name` is what the call calls the study.
    """
    if options.wandb == "off":
        return analysis_id(study.label)
    from analysis.review.send import tell_wandb  # loads matplotlib

    every = gather_everywhere(study, root_of(arguments), options.storage)
    records, (table,) = due_records(study, every), tables_of([(study, every)])
    bundle = bundle_options(name, arguments)
    try:
        tell_wandb(study, records, table, root_of(arguments), options.wandb, bundle, alert=options.alert)
    except (FolderError, StudyError) as error:
        print(f"bam: W&B: {one_line(str(error))}", file=sys.stderr)
    return analysis_id(study.label)


def tell_unsent(ids: Collection[str], root: Path, mode: WandbMode) -> None:
    """Say how many of these runs of W&B, those of trainings and of analyses, no server has, and what sends them."""
    if line := unsent_line(root, ids, mode):
        print(f"bam: {one_line(line)}", file=sys.stderr)
