"""`bam doctor`: what is wrong with this machine or its runs folder, and what mends it."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict

from rich.text import Text

from analysis.cli.lines import put
from analysis.cli.parser import add_root, add_storage
from analysis.cli.selection import root_of
from studies.doctor import Finding, examine
from studies.terminal.console import Console

COLOURS = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_root(parser)
    add_storage(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Print a line a check as it comes; returns 1 if one found a problem."""
    console = Console()
    found = []
    for finding in examine(root_of(arguments), arguments.storage):
        found.append(finding)
        if not arguments.json:
            show(finding, console)
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        levels = Counter(finding.level for finding in found)
        console.print(f"problems: {levels['problem']}, warnings: {levels['warning']}, ok: {levels['ok']}")
    return int(any(finding.level == "problem" for finding in found))


def show(finding: Finding, console: Console) -> None:
    """Print one finding: folded beside its name in a terminal, one plain line elsewhere."""
    text = Text(finding.found)
    if finding.mend:
        text.append(" - mend: ", "dim").append(finding.mend, "bold")
    put(console, [(Text(finding.level, COLOURS[finding.level]), 7), (finding.check, 15)], text)
