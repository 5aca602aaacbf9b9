"""`bam status`: where the runs of a study stand."""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from analysis.checks.unpaired_seeds import CAUSES
from analysis.cli.lines import put
from analysis.cli.parser import add_root, add_selection, add_storage
from analysis.cli.selection import every_scale, gathered, looked_at, root_of, selected
from analysis.formats.json_text import json_text
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import headline, reported
from studies import cluster as clusters
from studies.cluster.cluster import Job
from studies.definition.study import Study
from studies.records.records import Record
from studies.terminal.console import Console
from studies.terminal.text import one_line

STATES = ("complete", "running", "interrupted", "failed", "pruned", "missing")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "study", nargs="*", help="a name of the catalogue or a Python file (every study of the catalogue)"
    )
    add_selection(parser)
    add_root(parser)
    add_storage(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, run by run (and job by job on Slurm)")
    parser.add_argument("--watch", action="store_true", help="again every two seconds, until every run has ended")


def execute(arguments: argparse.Namespace) -> int:
    """Print the states, once or until there is nothing left to wait for."""
    while True:
        found = read(arguments)
        if arguments.json:
            runs = [as_json(study, record) for study, records in found for record in records]
            print(json_text([*runs, *jobs_as_json(root_of(arguments))]))
        else:
            show(found)
            if not arguments.study:
                show_others(others(root_of(arguments), found), any_study=bool(found))
            show_jobs(root_of(arguments))
        ended = {"complete", "failed", "pruned"}
        if not arguments.watch or all(record.state in ended for _, records in found for record in records):
            return 0
        time.sleep(2)


def read(arguments: argparse.Namespace) -> list[tuple[Study, list[Record]]]:
    """Gather the named studies, or every study of the catalogue at every preset that has been begun."""
    root = looked_at(arguments)
    if arguments.study:
        chosen = [selected(name, arguments) for name in arguments.study]
        return [(study, gathered(study, arguments)) for study in chosen]
    found = [(study, gathered(study, arguments)) for study in every_scale(root, arguments.storage)]
    return [(s, records) for s, records in found if any(r.state != "missing" for r in records)]


def as_json(study: Study, record: Record) -> dict[str, object]:
    """Return one run's state as JSON data."""
    return {
        "study": study.label,
        "row": record.row,
        "seed": record.run.seed,
        "key": record.run.key,
        "state": record.state,
        "epoch": record.epochs,
        "epochs": record.run.recipe.epochs,
        headline(record.run).name: reported(record.run, record.result) if record.result else None,
        "reason": record.manifest.error,
    }


def others(root: Path, found: list[tuple[Study, list[Record]]]) -> Counter[str]:
    """Count the run folders that belong to none of these studies, by state: a study file's, above all."""
    known = {record.run.key for _, records in found for record in records}
    folders = [file.parent for file in root.glob("*/run.json") if file.parent.name not in known]
    return Counter(map(state_of, folders))


def state_of(folder: Path) -> str:
    """Return the state of a run folder; of one that cannot be read, that."""
    try:
        return RunFolder(folder).state()
    except FolderError:
        return "unreadable"


def show_others(states: Counter[str], *, any_study: bool) -> None:
    """Print how many run folders are of no study that was printed, and how to ask; or that nothing was begun."""
    console = Console()
    if states:
        told = ", ".join(f"{states[state]} {state}" for state in (*STATES, "unreadable") if states[state])
        whose = "of a study file, of a search, or with other options"
        console.print(f"other runs ({whose}): {told}; name the study, as in `bam status mine.py`", soft_wrap=True)
    elif not any_study:
        console.print("no study of the catalogue has been begun here; `bam studies` lists them")


def show(found: list[tuple[Study, list[Record]]]) -> None:
    """Print a line a study, then each run that is neither complete nor missing."""
    console = Console()
    if not found:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("study", *STATES):
        table.add_column(column, justify="left" if column == "study" else "right")
    for study, records in found:
        states: Counter[str] = Counter(record.state for record in records)
        table.add_row(study.label, *(str(states[state] or "-") for state in STATES))
    console.print(table)
    lines = []
    for study, records in found:
        for record in records:
            if record.state in ("running", "interrupted", "failed"):
                where = f"epoch {record.epochs}/{record.run.recipe.epochs}"
                failed = record.state == "failed"
                named = CAUSES.get(record.manifest.cause or "") if failed else None
                cause = f" ({named})" if named else ""
                reason = f": {record.manifest.error}" if failed else ""
                line = f"{study.label}  {record.row} seed {record.run.seed}  {record.state}{cause}, {where}{reason}"
                lines.append(one_line(f"{line}  ({record.folder.path})"))
    if lines:
        console.print("\n".join(lines), soft_wrap=True)


def jobs_as_json(root: Path) -> list[dict[str, object]]:
    """Return the jobs that have not ended as JSON data, one object a job."""
    return [asdict(job) for cluster in clusters.CLUSTERS for job in cluster.jobs(root)]


def show_jobs(root: Path) -> None:
    """Print a line for each job array that has not ended; nothing where there is none."""
    console = Console()
    for cluster in clusters.CLUSTERS:
        arrays: dict[str, list[Job]] = defaultdict(list)
        for job in cluster.jobs(root):
            arrays[job.job.partition("_")[0]].append(job)
        for number, members in arrays.items():
            put(console, [], f"{cluster.name} job {number}  {members[0].study}  {in_words(members)}")


def in_words(members: list[Job]) -> str:
    """Return how many jobs of one array are in which state, where or why, and how often they were requeued."""
    groups: dict[tuple[str, str], int] = defaultdict(int)
    for job in members:
        groups[job.state.lower(), job.node or job.reason] += 1
    parts = [f"{count} {state} ({where})" for (state, where), count in sorted(groups.items())]
    requeued = sum(job.requeued for job in members)
    return ", ".join(parts) + (f"; requeued {requeued} times" if requeued else "")
