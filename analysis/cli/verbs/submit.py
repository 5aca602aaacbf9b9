"""`bam submit`: put workers for a study into a cluster's queue."""

from __future__ import annotations

import argparse
import math
import re
import shlex
import sys
from collections import Counter
from pathlib import Path

from analysis.cli.argument_types import checked, positive, up_to
from analysis.cli.parser import add_root, add_selection, add_storage, add_tracking
from analysis.cli.selection import gathered, root_of, selected
from studies.cluster import submission_cluster
from studies.cluster.cluster import Request
from studies.definition.limits import MOST_RANKS
from studies.errors import StudyError
from studies.job.devices import slots

LEFT = ("missing", "interrupted", "pruned", "running")
"""States of runs that a worker trains, or waits for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments: those of `bam worker`, and what to ask the cluster for."""
    parser.add_argument("study", help="a name of the catalogue, or a Python file that defines STUDY")
    workers = checked(positive, "a number from 1 up")
    number, gpus = up_to(MOST_RANKS), up_to(MOST_RANKS, least=0)
    parser.add_argument("--workers", type=workers, default=1, metavar="N", help="jobs at a time (1)")
    parser.add_argument("--gpus-per-worker", type=gpus, default=0, metavar="N", help="on each node (0: train on CPU)")
    parser.add_argument("--cpus-per-worker", type=number, metavar="N", help="cores on each node (4 a GPU, else 1)")
    parser.add_argument("--nodes-per-run", type=number, default=1, metavar="N", help="train each run over N nodes (1)")
    parser.add_argument(
        "--time",
        type=checked(minutes, "minutes, HH:MM:SS or D-HH:MM:SS"),
        default=240,
        metavar="TIME",
        help="minutes or HH:MM:SS after which a job is requeued and goes on (240)",
    )
    parser.add_argument("--partition", metavar="NAME", help="Slurm's partition")
    parser.add_argument("--account", metavar="NAME", help="Slurm's account")
    parser.add_argument(
        "--slurm",
        type=checked(option, "an option of sbatch, as mem=64G or exclusive"),
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="any other option of sbatch, as mem=64G",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be submitted")
    add_selection(parser)
    add_root(parser)
    add_storage(parser)
    parser.add_argument("--devices-per-run", type=number, default=1, metavar="N", help="on each node, with DDP over N")
    parser.add_argument("--runs-per-device", type=number, default=1, metavar="K", help="K runs share a device (1)")
    parser.add_argument("--threads", type=number, default=1, metavar="N", help="torch threads of a rank (1)")
    add_tracking(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Submit as many workers as there is work for."""
    study, root = selected(arguments.study, arguments), root_of(arguments)
    if study.stopping is not None and arguments.only:
        raise StudyError(f"--only: {study.label} follows a stopping rule, which is for all of its rows")
    cluster, request = submission_cluster(), request_of(arguments)
    a_worker = len(slots(devices_of(request), arguments.devices_per_run, arguments.runs_per_device))
    states: Counter[str] = Counter(record.state for record in gathered(study, arguments))
    left = sum(states[state] for state in LEFT)
    if not left:
        failed = f", {states['failed']} failed (`bam run --retry failed` tries them again)" if states["failed"] else ""
        print(f"{study.label}: {states['complete']} runs complete{failed}; nothing to submit", file=sys.stderr)
        return 0
    wanted = min(arguments.workers, math.ceil(left / a_worker))
    if wanted < arguments.workers:
        print(f"{study.label}: {left} runs are left, so {count(wanted)} will do", file=sys.stderr)
        request = request_of(arguments, wanted)
    if arguments.dry_run:
        print(cluster.script(root, request))
        print(*named_storage(arguments.storage), shlex.join(command_of(arguments, request)), file=sys.stderr)
        return 0
    before = len([job for job in cluster.jobs(root) if job.study == study.label])
    number = cluster.submit(root, study.label, command_of(arguments, request), request, arguments.storage)
    logs = root / cluster.folder(root).name
    print(f"{study.label}: job {number}, {count(wanted)} for {left} runs; logs in {logs}", file=sys.stderr)
    if before:
        print(f"{count(before)} of an earlier call in the queue, too: each run is trained by one only", file=sys.stderr)
    return 0


def count(workers: int) -> str:
    """Return a number of workers in words."""
    return f"{workers} worker{'s' * (workers != 1)}"


def request_of(arguments: argparse.Namespace, workers: int | None = None) -> Request:
    """Return what to ask the cluster for."""
    return Request(
        workers=workers or arguments.workers,
        gpus=arguments.gpus_per_worker,
        cpus=arguments.cpus_per_worker or max(1, 4 * arguments.gpus_per_worker),
        minutes=arguments.time,
        nodes=arguments.nodes_per_run,
        partition=arguments.partition,
        account=arguments.account,
        more=dict(arguments.slurm),
    )


def devices_of(request: Request) -> list[int | None]:
    """Return the devices that a worker has on each of its nodes."""
    return list(range(request.gpus)) if request.gpus else [None] * request.cpus


def named_storage(url: str | None) -> list[str]:
    """Return the variable that a job's environment has, as it may be printed."""
    if url is None:
        return []
    from studies.storage.postgres import hide_password

    return [f"BAM_STORAGE={hide_password(url)}"]


def command_of(arguments: argparse.Namespace, request: Request) -> list[str]:
    """Return the `bam worker` that each job runs, with absolute paths; a database's address is not for all to read."""
    named = arguments.study
    study = str(Path(named).resolve()) if named.endswith(".py") or "/" in named else named
    devices = ",".join(map(str, range(request.gpus))) if request.gpus else f"cpu:{request.cpus}"
    command = [sys.executable, "-P", "-m", "analysis.cli", "worker", study, f"--root={root_of(arguments).resolve()}"]
    command += [f"--devices={devices}"]
    for name in ("preset", "seeds", "devices_per_run", "runs_per_device", "threads", "wandb", "wandb_monitor"):
        if (value := getattr(arguments, name)) is not None:
            command.append(f"--{name.replace('_', '-')}={value}")
    if request.nodes > 1:
        command.append(f"--nodes-per-run={request.nodes}")
    for name in ("set", "only"):
        command += [f"--{name}={key}={value}" for key, value in getattr(arguments, name)]
    return command


def minutes(text: str) -> int:
    """Return a time in minutes, rounded up."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)|(\d+)", text)
    if match is None:
        raise ValueError
    days, hours, mins, seconds, plain = (int(part or 0) for part in match.groups())
    total = plain or math.ceil(((days * 24 + hours) * 60 + mins) + seconds / 60)
    if total < 1:
        raise ValueError
    return total


def option(text: str) -> tuple[str, str]:
    """Split `name=value` or `name`, with sbatch's own spelling."""
    name, equals, value = text.removeprefix("--").partition("=")
    if not re.fullmatch(r"[a-z][a-z_-]*", name) or (equals and not value):
        raise ValueError
    return name.replace("_", "-"), value
