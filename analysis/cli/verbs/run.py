"""`bam run`: train what is missing."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from analysis.cli.arguments import DEVICES, RETRY, RUNS, SELECTION, STUDIES, argument, checked, margin, number, rule
from analysis.cli.selection import due_records, records_of, root_of, select, select_to_train, table_command
from analysis.cli.tracking import conclude, tell_unsent
from analysis.planning.rounds import Round, until_resolved
from analysis.table.interim import ends
from lightning_bam.config import nearest
from studies.coordination.sync import forget
from studies.definition.limits import MOST_LOOKED
from studies.definition.study import Study
from studies.engine.cut_off import tell_cut_off
from studies.engine.progress import LiveView
from studies.engine.run_study import run_study
from studies.engine.scheduler import Options
from studies.errors import StudyError
from studies.job.devices import parse_devices, slots
from studies.job.job import About
from studies.terminal.text import one_line
from studies.tracking.connection import check_settings, default_mode, project
from studies.workers.forkserver import forkserver
from studies.workers.preflight import preflight

HINTS = {
    "failed": " (`bam status` says why; --retry failed trains them again)",
    "running": " (another process trains them; `bam worker` in place of `bam run` shares the work and waits for them)",
    "interrupted": " (the same command goes on with them)",
    "missing": "",
}
"""What a run that is not complete means after `bam run`."""

TRAINING = (
    STUDIES,
    *SELECTION,
    *RUNS,
    *DEVICES,
    RETRY,
    *rule(
        "give seeds by a stopping rule, declared before the first result, until every row is resolved",
        "with --until-resolved: ",
    ),
    argument(
        "--first-seed",
        type=checked(int, "a seed from 0 up", lambda seed: seed >= 0),
        metavar="S",
        help="with --until-resolved: the first of the seeds (the study's own first)",
    ),
    argument(
        "--spare",
        type=number(0, MOST_LOOKED),
        metavar="N",
        help="with --until-resolved: seeds to take the place of those at which a row or its baseline fails (0)",
    ),
    margin("with --until-resolved: "),
)
"""Which studies are trained, and how."""

ARGUMENTS = (
    *TRAINING,
    argument(
        "--again",
        action="append",
        default=[],
        metavar="KEY",
        help="with --storage: forget what the database holds of this run, whose folder was removed on every host",
    ),
)


def execute(arguments: argparse.Namespace) -> int:
    """Run each study in turn."""
    if arguments.again:
        _forget(arguments)
    options = options_of(arguments)
    code, studies = 0, select_to_train(arguments, checks(options))
    try:
        for name, study in zip(arguments.study, studies, strict=True):
            code = max(code, train(study, arguments, options))
            conclude(name, study, arguments, options)
            print(f"{study.label}: its table: {table_command(name, arguments)}", file=sys.stderr)
    finally:
        tell_unsent(studies, root_of(arguments), options.wandb)
    return code


def checks(options: Options) -> Callable[[Study], None]:
    """Return what raises ConfigError for a study with a row that cannot be trained so, or whose data is not there."""

    def check(study: Study) -> None:
        preflight(forkserver(tracked=options.wandb != "off"), study.rows, options.slots)

    return check


def _forget(arguments: argparse.Namespace) -> None:
    """Take back what the database holds of the runs of --again."""
    studies = [select(name, arguments, keep=False) for name in arguments.study]
    keys = [cell.run.key for study in studies for cell in study.runs()]
    for key in arguments.again:
        if key not in keys:
            raise StudyError(f"--again {key}: no run of {arguments.study[0]} has this key; {nearest(key, keys)}")
    if arguments.storage is None:
        raise StudyError(
            f"--again {key}: goes with --storage; without it a run whose folder is removed is trained again"
        )
    forget(root_of(arguments), arguments.storage, arguments.again)


def train(study: Study, arguments: argparse.Namespace, options: Options) -> int:
    """Train what is missing of one study, or by its stopping rule; return 1 where a run has no result, else 0."""
    root = root_of(arguments)
    tell_cut_off(study.label, study.runs, About.of(study), root, options.wandb)
    if study.stopping is None:
        return _train(study, root, options)
    print(f"bam: {study.label}: {study.stopping}, over {study.comparisons} comparisons", file=sys.stderr)

    def train_round(part: Round) -> bool:
        print(f"bam: {part.seeds} seeds for {', '.join(map(repr, part.open))}", file=sys.stderr)
        return _train(part.study, root, options) == 0

    table, resolved = until_resolved(
        study, lambda: records_of(study, arguments), train_round, retry=options.retry_failed
    )
    for line in ends({row.label: row.interim for row in table.rows if row.interim and row.verdict.kind == "ended"}):
        print(f"bam: {line}; --retry failed trains it again, and the rule goes on", file=sys.stderr)
    return 0 if resolved else 1


def _train(study: Study, root: Path, options: Options) -> int:
    with LiveView() as view:
        progress = run_study(study, root, options, view)
    if progress.halted:
        print(f"bam: {one_line(progress.halted)}", file=sys.stderr)
    states: Counter[str] = Counter(record.state for record in due_records(study, progress.records))
    parts = [f"{states['complete']} of {progress.total} runs complete, {len(progress.finished)} of them now"]
    parts += [f"{states[state]} {state}{hint}" for state, hint in HINTS.items() if states[state]]
    print(f"{study.label}: {'; '.join(parts)}", file=sys.stderr)
    return 0 if states["complete"] == progress.total else 1


def options_of(arguments: argparse.Namespace, *, wait_for_others: bool = False) -> Options:
    """Return where and how to train, and whether to wait for what others train."""
    tracking = arguments.wandb or default_mode()
    if tracking == "online" and default_mode() != "online":
        hint = "log in with `wandb login` or set WANDB_API_KEY; `wandb sync` sends offline records later"
        print(f"bam: --wandb online: nobody is logged in, so runs are recorded offline; {hint}", file=sys.stderr)
        tracking = "offline"
    if tracking != "off":
        project()  # refuses a name before any run
        check_settings()
    devices = parse_devices(arguments.devices)
    return Options(
        slots=slots(devices, arguments.devices_per_run, arguments.runs_per_device, arguments.nodes_per_run),
        threads=arguments.threads,
        wandb=tracking,
        monitor=arguments.wandb_monitor == "on",
        alert=arguments.wandb_alert,
        retry_failed=arguments.retry == "failed",
        storage=arguments.storage,
        wait_for_others=wait_for_others,
    )
