"""`bam quickstart`: a small real study on embedded data, from nothing to its table."""

import argparse
import shlex
import sys

from analysis.cli.arguments import DEVICES, ROWS, RUNS, SET, margin
from analysis.cli.selection import root_of, select, words
from analysis.cli.tracking import conclude, tell_unsent
from analysis.cli.verbs.run import options_of, train
from analysis.cli.verbs.table import show
from analysis.table.counted import tables_of
from studies.coordination.sync import gather_everywhere

ARGUMENTS = (SET, *ROWS, margin(), *RUNS, *DEVICES)


def execute(arguments: argparse.Namespace) -> int:
    """Train what is missing of the quickstart, then print its table."""
    study = select("quickstart", arguments)
    options = options_of(arguments)
    try:
        code = train(study, arguments, options)
        show(tables_of([(study, gather_everywhere(study, root_of(arguments), arguments.storage))]), "text", None)
        page = shlex.join(["bam", "report", "quickstart", *words(arguments)])
        print(f"quickstart: as a page with plots: {page}", file=sys.stderr)
        conclude("quickstart", study, arguments, options)
    finally:
        tell_unsent([study], root_of(arguments), options.wandb)
    return code
