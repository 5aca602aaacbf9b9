"""`bam worker`: train runs of a study beside other workers until every run of it has ended."""

from __future__ import annotations

import argparse
import os
from functools import partial

from analysis.cli.argument_types import checked, positive
from analysis.cli.ruled import chosen, train
from analysis.cli.verbs.run import add_training, run
from studies.errors import StudyError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments: those of `bam run`, and over how many nodes of a Slurm job each run goes."""
    add_training(parser)
    number = checked(positive, "a number from 1 up")
    parser.add_argument(
        "--nodes-per-run", type=number, default=1, metavar="N", help="in a Slurm job: train each run over N nodes (1)"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Work on each study in turn; what another worker trains is waited for, and taken over if it is interrupted."""
    nodes, job = arguments.nodes_per_run, os.environ.get("SLURM_JOB_NUM_NODES", "")
    if nodes > 1 and not (job.isdigit() and int(job) >= nodes):
        here = f"a Slurm job of {job} node{'s' * (job != '1')}" if job else "no Slurm job"
        raise StudyError(f"--nodes-per-run {nodes}: this is {here}; `bam submit --nodes-per-run {nodes}` starts one")
    return max(train(study, arguments, partial(run, patient=True)) for study in chosen(arguments))
