"""`bam list`: every study that the runs folder knows, where it stands, and the command for its table."""

import argparse
import sys
from typing import Any

from analysis.cli.arguments import JSON, ROOT
from analysis.cli.commands import notes_of, table_of
from analysis.cli.output import counted, grid
from analysis.cli.selection import existing_root
from analysis.formats.json_text import json_text
from studies.records.inventory import KnownStudy, known_studies
from studies.terminal.console import Console
from studies.terminal.text import one_line

STATES = ("complete", "running", "interrupted", "failed", "pruned")
ARGUMENTS = (ROOT, JSON)


def execute(arguments: argparse.Namespace) -> int:
    """Print a line for each study or search, the latest first, then the command of each."""
    root, unreadable = existing_root(arguments), list[str]()
    studies = known_studies(root, unreadable)
    if arguments.json:
        print(json_text([as_json(study, arguments) for study in studies]))
    else:
        show(studies, arguments)
    if unreadable:
        names = f"{', '.join(unreadable[:3])}{' ...' * (len(unreadable) > 3)}"
        line = f"{counted(len(unreadable), 'run folder')} cannot be read ({names}): `bam verify` says why"
        print(f"bam list: {line}", file=sys.stderr)
    return 0


def as_json(study: KnownStudy, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what is known of a study as JSON data."""
    return {
        "study": study.label,
        "rows": list(study.rows),
        "seeds": sorted(study.seeds),
        "states": dict(study.states),
        "last": study.last or None,
        "rule_declared": study.rule or None,
        "asked": list(study.asked) or None,
        "table": table_of(study, arguments) or None,
    }


def show(studies: list[KnownStudy], arguments: argparse.Namespace) -> None:
    """Print the studies for a person: runs are those that were begun for a study."""
    console = Console()
    if not studies:
        where = (
            f"under {arguments.root}" if existing_root(arguments).exists() else f"as there is no {arguments.root} yet"
        )
        console.print(f"no study has begun a run {where}; `bam studies` lists the catalogue")
        return
    table = grid(("study", "rows", "seeds", *STATES, "last begun"), text=("study",))
    for study in studies:
        states = (str(study.states[state] or "-") for state in STATES)
        table.add_row(study.label, str(len(study.rows)), seeds_text(study.seeds), *states, study.last[:10] or "?")
    console.print(table)
    console.print()
    for study in studies:
        if command := table_of(study, arguments):
            notes = "; ".join(notes_of(study, arguments))
            console.print(one_line(f"{command}  # {notes}" if notes else command), soft_wrap=True)
    console.print()
    console.print(
        "Counted are runs that a study has begun: one that others had begun before is theirs.", soft_wrap=True
    )


def seeds_text(seeds: set[int]) -> str:
    """Write seeds as `0-4, 7`, of many parts the first and the last."""
    parts: list[list[int]] = []
    for seed in sorted(seeds):
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    texts = [str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts]
    return ", ".join(texts if len(texts) < 5 else [*texts[:2], "...", texts[-1]])
