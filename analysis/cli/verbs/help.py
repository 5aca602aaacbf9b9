"""`bam help`: the manual in the terminal."""

import argparse
from typing import Final

from analysis.cli.arguments import argument
from analysis.cli.manual import for_terminal, topics
from analysis.cli.output import grid
from studies.errors import StudyError
from studies.terminal.console import Console

ARGUMENTS = (argument("topic", nargs="?", help="a topic, or a verb for its options (lists the topics)"),)
WIDTH: Final = 80
"""The most columns that a text to read is printed in."""


def execute(arguments: argparse.Namespace) -> int:
    """Print a topic, or a line for each; raises StudyError for an unknown one."""
    from analysis.cli.parser import VERBS, make_parser

    name, console = arguments.topic, Console()
    width = min(console.width, WIDTH)
    if name is None:
        table = grid(("topic", "what it says"), text=("topic", "what it says"))
        for topic, found in topics().items():
            table.add_row(topic, found.purpose)
        console.print(table, width=width)
    elif name in topics():
        from analysis.cli.markdown import Page

        console.print(Page(for_terminal(topics()[name]), code_theme="bw", hyperlinks=False), width=width)
    elif name in VERBS:
        make_parser().parse_args([name, "--help"])
    else:
        from lightning_bam.config import nearest

        raise StudyError(f"help {name}: no such topic; {nearest(name, topics())}")
    return 0
