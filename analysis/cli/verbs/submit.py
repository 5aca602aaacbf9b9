"""`bam submit`: put workers for a study into a cluster's queue."""

import argparse
import math
import re
import shlex
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from analysis.cli.arguments import RANKS, RUNS, SELECTION, SHARES, STUDY, argument, checked, hours, number
from analysis.cli.selection import records_of, refuse_part, root_of, select
from studies.cluster import submission_cluster
from studies.cluster.cluster import Request
from studies.definition.limits import MOST_RANKS
from studies.job.devices import slots
from studies.library import is_file

UNFINISHED = ("missing", "interrupted", "pruned", "running")
"""States of runs that a worker trains, or waits for."""


def minutes(text: str) -> int:
    """Return a time in minutes, rounded up: `90min`, `2h`, minutes, or as Slurm writes it."""
    if match := re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)|(\d+)", text):
        days, of_day, mins, seconds, plain = (int(part or 0) for part in match.groups())
        total = plain or math.ceil(((days * 24 + of_day) * 60 + mins) + seconds / 60)
    else:
        total = math.ceil(round(60 * hours(text), 6))
    if total < 1:
        raise ValueError
    return total


def option(text: str) -> tuple[str, str]:
    """Split `name=value` or `name`, with sbatch's own spelling."""
    name, equals, value = text.removeprefix("--").partition("=")
    if not re.fullmatch(r"[a-z][a-z_-]*", name) or (equals and not value):
        raise ValueError
    return name.replace("_", "-"), value


ARGUMENTS = (
    STUDY,
    argument("--workers", type=number(1), default=1, metavar="N", help="jobs at a time (1)"),
    argument(
        "--gpus-per-worker", type=number(0, MOST_RANKS), default=0, metavar="N", help="on each node (0: train on CPU)"
    ),
    argument("--cpus-per-worker", type=RANKS, metavar="N", help="cores on each node (4 a GPU, else 1)"),
    argument("--nodes-per-run", type=RANKS, default=1, metavar="N", help="train each run over N nodes (1)"),
    argument(
        "--time",
        type=checked(minutes, "a time like 2h, 90min, minutes, HH:MM:SS or D-HH:MM:SS"),
        default=240,
        metavar="TIME",
        help="time after which a job is requeued and goes on, as 2h, 90min, 90, 1:30:00 or 1-12:00:00 (240)",
    ),
    argument("--partition", metavar="NAME", help="Slurm's partition"),
    argument("--account", metavar="NAME", help="Slurm's account"),
    argument(
        "--slurm",
        type=checked(option, "an option of sbatch, as mem=64G or exclusive"),
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="any other option of sbatch, as mem=64G",
    ),
    argument("--dry-run", action="store_true", help="print what would be submitted"),
    *SELECTION,
    *RUNS,
    argument("--devices-per-run", type=RANKS, default=1, metavar="N", help="on each node, with DDP over N"),
    *SHARES,
)
"""Those of `bam worker`, and what to ask the cluster for."""


def execute(arguments: argparse.Namespace) -> int:
    """Submit as many workers as there is work for."""
    study, root = select(arguments.study, arguments), root_of(arguments)
    refuse_part(study, arguments)
    cluster, gpus = submission_cluster(), arguments.gpus_per_worker
    request = Request(
        workers=arguments.workers,
        gpus=gpus,
        cpus=arguments.cpus_per_worker or max(1, 4 * gpus),
        minutes=arguments.time,
        nodes=arguments.nodes_per_run,
        partition=arguments.partition,
        account=arguments.account,
        more=dict(arguments.slurm),
    )
    devices: list[int | None] = list(range(gpus)) if gpus else [None] * request.cpus
    a_worker = len(slots(devices, arguments.devices_per_run, arguments.runs_per_device))
    states: Counter[str] = Counter(record.state for record in records_of(study, arguments))
    rest = sum(states[state] for state in UNFINISHED)
    if not rest:
        failed = f", {states['failed']} failed (`bam run --retry failed` tries them again)" if states["failed"] else ""
        print(f"{study.label}: {states['complete']} runs complete{failed}; nothing to submit", file=sys.stderr)
        return 0
    workers = min(request.workers, math.ceil(rest / a_worker))
    if workers < request.workers:
        print(f"{study.label}: {rest} runs are left, so {count(workers)} will do", file=sys.stderr)
        request = replace(request, workers=workers)
    command = command_of(arguments, request)
    if arguments.dry_run:
        from studies.storage.postgres import hide_password  # loads SQLAlchemy

        storage = [f"BAM_STORAGE={hide_password(arguments.storage)}"] if arguments.storage else []
        print(cluster.script(root, request))
        print(*storage, shlex.join(command), file=sys.stderr)
        return 0
    job = cluster.submit(root, study.label, command, request, arguments.storage)
    logs = root / cluster.folder(root).name
    print(f"{study.label}: job {job}, {count(workers)} for {rest} runs; logs in {logs}", file=sys.stderr)
    return 0


def count(workers: int) -> str:
    """Return a number of workers in words."""
    return f"{workers} worker{'s' * (workers != 1)}"


def command_of(arguments: argparse.Namespace, request: Request) -> list[str]:
    """Return the `bam worker` that each job runs, with absolute paths; a database's address is not for all to read."""
    study = str(Path(arguments.study).resolve()) if is_file(arguments.study) else arguments.study
    devices = ",".join(map(str, range(request.gpus))) if request.gpus else f"cpu:{request.cpus}"
    command = [sys.executable, "-P", "-m", "analysis.cli", "worker", study, f"--root={root_of(arguments).resolve()}"]
    command += [f"--devices={devices}"]
    for name in ("preset", "seeds", "devices_per_run", "runs_per_device", "threads", "wandb", "wandb_monitor"):
        if (value := getattr(arguments, name)) is not None:
            command.append(f"--{name.replace('_', '-')}={value}")
    command += ["--wandb-alert"] if arguments.wandb_alert else []
    if request.nodes > 1:
        command.append(f"--nodes-per-run={request.nodes}")
    for name in ("set", "only"):
        command += [f"--{name}={key}={value}" for key, value in getattr(arguments, name)]
    return command
