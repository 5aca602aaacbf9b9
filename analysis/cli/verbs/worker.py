"""`bam worker`: train runs of a study beside other workers until every run of it has ended."""

import argparse
import os

from analysis.cli.arguments import argument, number
from analysis.cli.selection import root_of, select_to_train
from analysis.cli.tracking import tell_unsent
from analysis.cli.verbs.run import TRAINING, checks, options_of, train
from studies.errors import StudyError

ARGUMENTS = (
    *TRAINING,
    argument(
        "--nodes-per-run",
        type=number(1),
        default=1,
        metavar="N",
        help="in a Slurm job: train each run over N nodes (1)",
    ),
)


def execute(arguments: argparse.Namespace) -> int:
    """Work on each study in turn; what another worker trains is waited for, and taken over if it is interrupted."""
    nodes, job = arguments.nodes_per_run, os.environ.get("SLURM_JOB_NUM_NODES", "")
    if nodes > 1 and not (job.isdigit() and int(job) >= nodes):
        here = f"a Slurm job of {job} node{'s' * (job != '1')}" if job else "no Slurm job"
        raise StudyError(f"--nodes-per-run {nodes}: this is {here}; `bam submit --nodes-per-run {nodes}` starts one")
    options = options_of(arguments, wait_for_others=True)
    studies = select_to_train(arguments, checks(options))
    code = max(train(study, arguments, options) for study in studies)
    tell_unsent(studies, root_of(arguments), options.wandb)
    return code
