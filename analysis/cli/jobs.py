"""The Slurm jobs of a runs folder, as `bam status` tells them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from analysis.cli.lines import put
from studies.cluster.slurm.jobs import SlurmJob, jobs
from studies.terminal.console import Console


def as_json(root: Path) -> list[dict[str, object]]:
    """Return the jobs that have not ended as JSON data, one object a job."""
    return [asdict(job) for job in jobs(root)]


def show(root: Path) -> None:
    """Print a line for each job array that has not ended; nothing where there is none."""
    arrays: dict[str, list[SlurmJob]] = defaultdict(list)
    for job in jobs(root):
        arrays[job.job.partition("_")[0]].append(job)
    console = Console()
    for number, members in arrays.items():
        put(console, [], f"Slurm job {number}  {members[0].study}  {in_words(members)}")


def in_words(members: list[SlurmJob]) -> str:
    """Return how many jobs of one array are in which state, where or why, and how often they were requeued."""
    groups: dict[tuple[str, str], int] = defaultdict(int)
    for job in members:
        groups[job.state.lower(), job.node or job.reason] += 1
    parts = [f"{count} {state} ({where})" for (state, where), count in sorted(groups.items())]
    requeued = sum(job.requeued for job in members)
    return ", ".join(parts) + (f"; requeued {requeued} times" if requeued else "")
