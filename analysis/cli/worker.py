"""`bam worker`: train runs of a study beside other workers until every run of it has ended."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from analysis.cli.converters import checked, positive
from analysis.cli.ruled import chosen as chosen_studies
from analysis.cli.ruled import train
from analysis.cli.run import add_training, run
from studies.error import StudyError
from studies.launch import Start, start
from studies.nodes import Leader, NodeGoneError, Nodes, follow
from studies.study import Study

INCOMPLETE = 3
"""Exit code of a worker that left early because another of its nodes was gone."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments: those of `bam run`, and which of several nodes this one is."""
    add_training(parser)
    number = checked(positive, "a number from 1 up")
    parser.add_argument("--nodes", type=number, default=1, metavar="N", help="N nodes train each run together (1)")
    parser.add_argument("--node-rank", type=int, metavar="R", help="which of them this is; 0 claims the runs")
    parser.add_argument("--rendezvous", metavar="HOST:PORT", help="where the others find node 0")


def execute(arguments: argparse.Namespace) -> int:
    """Work on each study in turn; what another worker trains is waited for, and taken over if it is lost."""
    chosen = chosen_studies(arguments)
    if arguments.nodes == 1:
        for option, given in (("node-rank", arguments.node_rank), ("rendezvous", arguments.rendezvous)):
            if given is not None:
                raise StudyError(f"--{option} {given}: goes with --nodes, which says how many train each run together")
        return work(chosen, arguments)
    nodes = Nodes.parse(arguments.nodes, arguments.node_rank, arguments.rendezvous)
    try:
        if nodes.rank:
            follow(nodes)
            return 0
        with Leader(nodes) as leader:
            return work(chosen, arguments, leader.start)
    except NodeGoneError as error:
        print(f"bam: {error}", file=sys.stderr)
        return INCOMPLETE


def work(chosen: list[Study], arguments: argparse.Namespace, start: Start = start) -> int:
    """Work on each study in turn."""
    return max(train(study, arguments, partial(run, patient=True, start=start)) for study in chosen)
