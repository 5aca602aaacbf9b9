"""`bam export`: a trained network as a file for others."""

import argparse
import sys
from pathlib import Path
from typing import Final

from analysis.cli.arguments import ROOT, argument
from analysis.cli.find import CODE, find_run, read_run
from lightning_bam.run_folder.folder import RunFolder
from studies.terminal.text import one_line

SUFFIXES: Final = {"state-dict": ".pt", "torchvision": ".torchvision.pt", "authors": ".authors.pt", "program": ".pt2"}
"""The forms, and how the file of each is called where no name is given."""
ARGUMENTS = (
    argument("run", metavar="RUN", help="a run's key or how it begins, or a run or model folder"),
    argument(
        "--format",
        choices=SUFFIXES,
        default="state-dict",
        help="our names, torchvision's, the authors', or a program that torch alone runs (state-dict)",
    ),
    argument("-o", "--output", metavar="FILE", help="where to (the folder's name, with the form's suffix)"),
    argument("--unfinished", action="store_true", help="also a run that is not complete, as far as it got"),
    CODE,
    ROOT,
)


def execute(arguments: argparse.Namespace) -> int:
    """Write one network; its file's name goes to stdout, how it is used to stderr."""
    folder = find_run(arguments)
    read_run(RunFolder(folder), arguments.code)
    path = Path(arguments.output or folder.resolve().name + SUFFIXES[arguments.format])

    from lightning_bam.weights.export import export
    from lightning_bam.weights.state_dicts import load_network

    run, network = load_network(folder, unfinished=arguments.unfinished)
    use = export(run, network, arguments.format, path, follow=bool(arguments.output))
    print(one_line(str(path)))
    print(one_line(f"bam export: {use.replace('FILE', repr(str(path)))}"), file=sys.stderr)
    return 0
