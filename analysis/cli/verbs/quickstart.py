"""`bam quickstart`: a small real study on embedded data, from nothing to its table."""

from __future__ import annotations

import argparse

from analysis.cli.parser import add_devices, add_margin, add_root, add_selection, add_storage
from analysis.cli.ruled import train
from analysis.cli.selection import root_of, selected
from analysis.cli.verbs import run, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_selection(parser, presets=False)
    add_margin(parser)
    add_root(parser)
    add_storage(parser)
    add_devices(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Train what is missing of the quickstart, then print its table."""
    study = selected("quickstart", arguments)
    code = train(study, arguments, run.run)
    table.show(table.conclusions([study], root_of(arguments), arguments.storage), "text", None)
    return code
