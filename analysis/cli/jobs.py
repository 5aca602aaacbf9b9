"""The jobs of a runs folder, as `bam status` tells them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from analysis.cli.lines import put
from studies.cluster import clusters
from studies.cluster.cluster import Job
from studies.terminal.console import Console


def as_json(root: Path) -> list[dict[str, object]]:
    """Return the jobs that have not ended as JSON data, one object a job."""
    return [asdict(job) for cluster in clusters.CLUSTERS for job in cluster.jobs(root)]


def show(root: Path) -> None:
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
