"""`bam studies`: the catalogue."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from analysis.cli.arguments import JSON
from analysis.cli.output import grid
from analysis.findings.kept import findings
from analysis.findings.summary import answer, short
from studies.definition.study import Study
from studies.library import catalogue, spaces
from studies.terminal.console import Console

ARGUMENTS = (JSON,)
HEADINGS = ("study", "question, and what was found")


def execute(arguments: argparse.Namespace) -> int:
    """Print every study with what it has found, and every search space."""
    studies, found = catalogue(), {name: finding.table() for name, finding in findings().items()}
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
                "found": answer(found[s.name]) if s.name in found else None,
            }
            for s in studies.values()
        ]
        print(json.dumps(items, indent=1))
        return 0
    table = grid(HEADINGS, text=HEADINGS)
    for name in sorted(studies.keys() | found.keys()):
        table.add_row(name, "\n".join(_lines(studies.get(name), found.get(name))))
    console = Console()
    console.print(table)
    console.print("\n`bam table STUDY --findings` shows what was found, from runs that the package keeps.\n")
    for space in spaces().values():
        size = "no end of" if space.size is None else f"{space.size:,}"
        console.print(f"search {space.name}: {space.question} ({size} configurations)")
    return 0


def _lines(study: Study | None, found: Mapping[str, Any] | None) -> list[str]:
    """Return a study's question, its size, and what it has found, if that is kept."""
    lines = [study.question if study else found["question"] if found else ""]
    if study:
        size = [f"{len(study.rows)} rows x {len(study.seed_list)} seeds"]
        size += [f"the paper's table {study.paper}"] if study.paper else []
        size += [f"--preset {' or '.join(study.presets)}"] if study.presets else []
        lines.append("; ".join(size))
    return lines + ([f"found: {short(found)}"] if found else [])
