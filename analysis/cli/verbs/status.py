"""`bam status`: where the runs of a study stand."""

import argparse
import time
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path

from analysis.checks.unpaired_seeds import CAUSES
from analysis.cli.arguments import JSON, RUNS, SELECTION, argument
from analysis.cli.output import grid, put
from analysis.cli.selection import every_scale, existing_root, records_of, select
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
ARGUMENTS = (
    argument("study", nargs="*", help="a name of the catalogue or a Python file (every study of the catalogue)"),
    *SELECTION,
    *RUNS,
    JSON,
    argument("--watch", action="store_true", help="again every two seconds, until every run has ended"),
)


def execute(arguments: argparse.Namespace) -> int:
    """Print the states, once or until there is nothing left to wait for."""
    while True:
        root = existing_root(arguments)
        every = [select(name, arguments) for name in arguments.study] or every_scale(root, arguments.storage)
        studies = [(study, records_of(study, arguments)) for study in every]
        if not arguments.study:  # those that have been begun
            studies = [pair for pair in studies if any(record.state != "missing" for record in pair[1])]
        if arguments.json:
            runs = [as_json(study, record) for study, records in studies for record in records]
            jobs = [asdict(job) for cluster in clusters.CLUSTERS for job in cluster.jobs(root)]
            print(json_text([*runs, *jobs]))
        else:
            show(studies)
            if not arguments.study:
                show_others(root, studies)
            show_jobs(root)
        ended = {"complete", "failed", "pruned"}
        if not arguments.watch or all(record.state in ended for _, records in studies for record in records):
            return 0
        time.sleep(2)


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


def state_of(folder: Path) -> str:
    """Return the state of a run folder; of one that cannot be read, that."""
    try:
        return RunFolder(folder).state()
    except FolderError:
        return "unreadable"


def show_others(root: Path, studies: list[tuple[Study, list[Record]]]) -> None:
    """Print how many run folders are of none of these studies, and how to print them; or that nothing was begun."""
    keys = {record.run.key for _, records in studies for record in records}
    states = Counter(state_of(file.parent) for file in root.glob("*/run.json") if file.parent.name not in keys)
    if states:
        numbers = ", ".join(f"{states[state]} {state}" for state in (*STATES, "unreadable") if states[state])
        whose = "of a study file, of a search, or with other options"
        Console().print(f"other runs ({whose}): {numbers}; name the study, as in `bam status mine.py`", soft_wrap=True)
    elif not studies:
        Console().print("no study of the catalogue has been begun here; `bam studies` lists them")


def show(studies: list[tuple[Study, list[Record]]]) -> None:
    """Print a line a study, then each run that is neither complete nor missing, and which rows' rule one has ended."""
    if not studies:
        return
    table, lines = grid(("study", *STATES), text=("study",)), []
    for study, records in studies:
        states: Counter[str] = Counter(record.state for record in records)
        if study.stopping is not None:
            from analysis.table.interim import ends, standing  # loads scipy

            lines += [one_line(f"{study.label}  {line}") for line in ends(standing(study, records))]
        table.add_row(study.label, *(str(states[state] or "-") for state in STATES))
        for record in records:
            if record.state in ("running", "interrupted", "failed"):
                cause, reason = ended_by(record) if record.state == "failed" else ("", "")
                state = f"{record.state}{cause}, epoch {record.epochs}/{record.run.recipe.epochs}{reason}"
                name = f"{study.label}  {record.row} seed {record.run.seed}"
                lines.append(one_line(f"{name}  {state}  ({record.folder.path})"))
    Console().print(table)
    if lines:
        Console().print("\n".join(lines), soft_wrap=True)


def ended_by(record: Record) -> tuple[str, str]:
    """Return what ended a failed run, as ` (out of memory)` where that has a short name, and its error, as `: boom`."""
    cause = CAUSES.get(record.manifest.cause or "")
    return f" ({cause})" if cause else "", f": {record.manifest.error}"


def show_jobs(root: Path) -> None:
    """Print a line for each job array that has not ended; nothing where there is none."""
    console = Console()
    for cluster in clusters.CLUSTERS:
        arrays: dict[str, list[Job]] = defaultdict(list)
        for job in cluster.jobs(root):
            arrays[job.job.partition("_")[0]].append(job)
        for number, members in arrays.items():
            groups = Counter((job.state.lower(), job.node or job.reason) for job in members)
            states = ", ".join(f"{count} {state} ({where})" for (state, where), count in sorted(groups.items()))
            requeued = sum(job.requeued for job in members)
            states += f"; requeued {requeued} times" if requeued else ""
            put(console, [], f"{cluster.name} job {number}  {members[0].study}  {states}")
