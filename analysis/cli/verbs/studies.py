"""`bam studies`: the catalogue."""

import argparse
import json

from analysis.cli.arguments import JSON
from analysis.cli.output import grid
from studies.library import catalogue, spaces
from studies.terminal.console import Console

ARGUMENTS = (JSON,)
HEADINGS = ("study", "question", "rows x seeds", "paper's table", "presets")


def execute(arguments: argparse.Namespace) -> int:
    """Print every study and every search space."""
    studies = catalogue().values()
    if arguments.json:
        items = [
            {
                "name": s.name,
                "question": s.question,
                "rows": list(s.rows),
                "seeds": len(s.seed_list),
                "runs": len(s.runs()),
                "paper": s.paper,
                "presets": list(s.presets),
            }
            for s in studies
        ]
        print(json.dumps(items, indent=1))
        return 0
    table = grid(HEADINGS, text=HEADINGS)
    for s in studies:
        table.add_row(s.name, s.question, f"{len(s.rows)} x {len(s.seed_list)}", s.paper, ", ".join(s.presets))
    console = Console()
    console.print(table)
    console.print()
    for space in spaces().values():
        size = "no end of" if space.size is None else f"{space.size:,}"
        console.print(f"search {space.name}: {space.question} ({size} configurations)")
    return 0
