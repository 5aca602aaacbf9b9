"""`bam worker`: train runs of a study beside other workers until every run of it has ended."""

from __future__ import annotations

import argparse

from analysis.cli.run import add_arguments as add_run_arguments
from analysis.cli.run import run
from analysis.cli.selection import selected


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments: those of `bam run`."""
    add_run_arguments(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Work on each study in turn; what another worker trains is waited for, and taken over if it is lost."""
    chosen = [selected(name, arguments) for name in arguments.study]
    return max(run(study, arguments, patient=True) for study in chosen)
