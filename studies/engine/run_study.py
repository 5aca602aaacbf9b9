"""Run what is missing of a study, or whatever a search asks for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from multiprocessing.context import ForkServerContext
from pathlib import Path

from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import reported
from studies.coordination.retries import begin_contradictions_anew
from studies.coordination.sync import fetch, mark_elsewhere, publish_finished, warn_of_torn
from studies.definition.study import Cell, Study
from studies.engine.priority import longest_first
from studies.engine.progress import Progress, View
from studies.engine.scheduler import Options, Scheduler
from studies.engine.source import Source
from studies.engine.study_trials import StudyTrials
from studies.records.records import Record, record_of
from studies.workers.forkserver import forkserver
from studies.workers.preflight import preflight
from studies.workers.signals import termination_as_interrupt


def wanted(records: Sequence[Record], options: Options) -> list[Record]:
    """Return the records that a run of the study has to train, or to wait for."""
    states = {"missing", "interrupted", "pruned"}
    states |= {"failed"} if options.retry_failed else set()
    states |= {"running"} if options.patient else set()
    return [record for record in records if record.state in states]


def run_study(study: Study, root: Path, options: Options, view: View) -> Progress:
    """Train what is missing of `study` under `root`, and say how it went; calling it again trains the rest.

    Args:
        study: what is wanted.
        root: the runs folder.
        options: where and how.
        view: called about five times a second, and at the end.

    Raises:
        FolderError: a folder that cannot be trusted, or a root that cannot be written.
        StudyError: a database that does not answer.
        ConfigError: a row that cannot be trained so, found before anything is started.
        KeyboardInterrupt: interrupted; every process group has been ended, and the next call goes on.

    """
    study_trials = StudyTrials(root, study, options.storage, patient=options.patient)
    with closing(study_trials):
        if options.retry_failed:
            begin_contradictions_anew(RunFolder.of(root, cell.run) for cell in study.runs())
        records = up_to_date(study, root, study_trials)
        missing = wanted(records, options)
        if options.retry_failed:
            study_trials.retry(missing)
        before = [(Cell(r.row, r.run), reported(r.run, r.result)) for r in records if r.result is not None]
        progress = Progress(
            title=study.label,
            total=len(records),
            slots=len(options.slots),
            before=before,
            pending=len(missing),
            records=records,
        )
        if not missing:
            view(progress)
            return progress
        context = forkserver(tracked=options.wandb != "off")
        macs = preflight(context, {record.row: record.run for record in missing}, options.slots)
        study_trials.want(longest_first(missing, records, macs))
        drive(study_trials, root, options, context, progress, view)
        progress.records = up_to_date(study, root, study_trials, records)
    return progress


def up_to_date(study: Study, root: Path, study_trials: StudyTrials, before: Sequence[Record] = ()) -> list[Record]:
    """Read what every host has of `study`, and make its trials agree with it.

    Args:
        study: whose runs.
        root: the runs folder.
        study_trials: the study's trials in Optuna.
        before: records that were read before; a complete one is not read again.

    """
    hosts = study_trials.leases.coordination
    if hosts.shared and (torn := fetch(hosts, root, [cell.run for cell in study.runs()])):
        warn_of_torn(study, torn)
        hosts.forget(torn)
    complete = {(record.row, record.run.key): record for record in before if record.result is not None}
    records = [complete.get((cell.row, cell.run.key)) or record_of(cell, root) for cell in study.runs()]
    if hosts.shared:
        records = mark_elsewhere(records, hosts)
        publish_finished(hosts, records)
    study_trials.bring_up_to_date(records)
    return records


def drive(
    source: Source, root: Path, options: Options, context: ForkServerContext, progress: Progress, view: View
) -> None:
    """Train what `source` gives until it gives no more.

    Args:
        source: a study's trials or a search.
        root: the runs folder.
        options: where and how.
        context: whose warm server every run is forked from.
        progress: kept up to date.
        view: shown the progress.

    Raises:
        FolderError: the runs folder's disk is full.
        KeyboardInterrupt: interrupted; every process group has been ended.

    """
    scheduler = Scheduler(root, options, source, context, progress, view)
    with termination_as_interrupt():
        try:
            scheduler.loop()
        finally:
            scheduler.end()
    view(progress)
