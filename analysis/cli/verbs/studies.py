"""`bam studies`: the catalogue."""

from __future__ import annotations

import argparse
import json

from rich.table import Table

from studies.library import catalogue, spaces
from studies.terminal.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Print every study and every search space."""
    known = catalogue()
    if arguments.json:
        listed = [
            {
                "name": s.name,
                "question": s.question,
                "rows": list(s.rows),
                "seeds": len(s.seed_list),
                "runs": len(s.runs()),
                "paper": s.paper,
                "presets": list(s.presets),
            }
            for s in known.values()
        ]
        print(json.dumps(listed, indent=1))
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("study", "question", "rows x seeds", "paper's table", "presets"):
        table.add_column(column, overflow="fold")
    for s in known.values():
        table.add_row(s.name, s.question, f"{len(s.rows)} x {len(s.seed_list)}", s.paper, ", ".join(s.presets))
    console = Console()
    console.print(table)
    console.print()
    for space in spaces().values():
        size = "no end of" if space.size is None else f"{space.size:,}"
        console.print(f"search {space.name}: {space.question} ({size} configurations)")
    return 0
