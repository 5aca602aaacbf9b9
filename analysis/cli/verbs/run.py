"""`bam run`: train what is missing."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from analysis.cli.parser import add_devices, add_root, add_selection, add_storage
from analysis.cli.ruled import add_rule, chosen, train
from analysis.cli.selection import root_of, selected, wanted_of
from lightning_bam.config import nearest
from studies.coordination.sync import forget
from studies.definition.study import Study
from studies.engine.progress import LiveView
from studies.engine.run_study import run_study
from studies.engine.scheduler import Options
from studies.errors import StudyError
from studies.job.devices import parse_devices, slots
from studies.terminal.text import one_line
from studies.tracking.wandb_run import default_mode, project

HINTS = {
    "failed": " (`bam status` says why; --retry failed trains them again)",
    "running": " (another process trains them)",
    "interrupted": " (the same command goes on with them)",
    "missing": "",
}
"""What a run that is not complete means after `bam run`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_training(parser)
    parser.add_argument(
        "--again",
        action="append",
        default=[],
        metavar="KEY",
        help="with --storage: forget what the database holds of this run, whose folder was removed on every host",
    )


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add what says which studies are trained, and how."""
    parser.add_argument("study", nargs="+", help="a name of the catalogue, or a Python file that defines STUDY")
    add_selection(parser)
    add_root(parser)
    add_storage(parser)
    add_devices(parser)
    parser.add_argument("--retry", choices=("failed",), help="train failed runs again, too")
    add_rule(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Run each study in turn."""
    if arguments.again:
        _forget(arguments)
    return max(train(study, arguments, run) for study in chosen(arguments))


def _forget(arguments: argparse.Namespace) -> None:
    """Take back what the database holds of the runs of --again.

    Raises:
        StudyError: no such run, no database, or somebody trains it.
        FolderError: its folder is still here, and would tell the database again.

    """
    studies = [selected(name, arguments, keep=False) for name in arguments.study]
    keys = [cell.run.key for study in studies for cell in study.runs()]
    for key in arguments.again:
        if key not in keys:
            raise StudyError(f"--again {key}: no run of {arguments.study[0]} has this key; {nearest(key, keys)}")
    if arguments.storage is None:
        raise StudyError(
            f"--again {key}: goes with --storage; without it a run whose folder is removed is trained again"
        )
    forget(root_of(arguments), arguments.storage, arguments.again)


def run(study: Study, arguments: argparse.Namespace, *, patient: bool = False) -> int:
    """Train what is missing of one study; returns 1 if a run failed or is not there."""
    options = options_of(arguments, patient=patient)
    with LiveView() as view:
        progress = run_study(study, root_of(arguments), options, view)
    if progress.halted:
        print(f"bam: {one_line(progress.halted)}", file=sys.stderr)
    states: Counter[str] = Counter(record.state for record in wanted_of(study, progress.records))
    parts = [f"{states['complete']} of {progress.total} runs complete, {len(progress.finished)} of them now"]
    parts += [f"{states[state]} {state}{hint}" for state, hint in HINTS.items() if states[state]]
    print(f"{study.label}: {'; '.join(parts)}", file=sys.stderr)
    return 0 if states["complete"] == progress.total else 1


def options_of(arguments: argparse.Namespace, *, patient: bool = False) -> Options:
    """Return where and how to train; a `patient` one waits for what others train."""
    tracking = arguments.wandb or default_mode()
    if tracking == "online" and default_mode() != "online":
        hint = "log in with `wandb login` or set WANDB_API_KEY; `wandb sync` sends offline records later"
        print(f"bam: --wandb online: nobody is logged in, so runs are recorded offline; {hint}", file=sys.stderr)
        tracking = "offline"
    if tracking != "off":
        project()  # a name that is refused is told before any run
    return Options(
        slots=slots(
            parse_devices(arguments.devices),
            arguments.devices_per_run,
            arguments.runs_per_device,
            getattr(arguments, "nodes_per_run", 1),
        ),
        threads=arguments.threads,
        wandb=tracking,
        monitor=arguments.wandb_monitor == "on",
        retry_failed=getattr(arguments, "retry", None) == "failed",
        storage=arguments.storage,
        patient=patient,
    )
