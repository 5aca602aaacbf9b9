"""`bam export`: a trained network as a file for others."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from analysis.cli.find import find_run
from analysis.cli.parser import add_root
from analysis.cli.selection import root_of
from studies.terminal.text import one_line

SUFFIXES: Final = {"state-dict": ".pt", "torchvision": ".torchvision.pt", "authors": ".authors.pt", "program": ".pt2"}
"""The forms, and how the file of each is called where no name is given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("run", metavar="RUN", help="a run's key or how it begins, or a run or model folder")
    parser.add_argument(
        "--format",
        choices=SUFFIXES,
        default="state-dict",
        help="our names, torchvision's, the authors', or a program that torch alone runs (state-dict)",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where to (the folder's name, with the form's suffix)")
    parser.add_argument("--unfinished", action="store_true", help="also a run that is not complete, as far as it got")
    add_root(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Write one network; its file's name goes to stdout, how it is used to stderr."""
    folder = find_run(arguments.run, root_of(arguments))
    path = Path(arguments.output or folder.resolve().name + SUFFIXES[arguments.format])

    from lightning_bam.weights.export import export
    from lightning_bam.weights.state_dicts import load_network

    run, network = load_network(folder, unfinished=arguments.unfinished)
    use = export(run, network, arguments.format, path, follow=bool(arguments.output))
    print(one_line(str(path)))
    print(one_line(f"bam export: {use.replace('FILE', repr(str(path)))}"), file=sys.stderr)
    return 0
