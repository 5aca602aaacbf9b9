"""Run what is missing of a study, or whatever a search asks for."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from math import log
from multiprocessing.context import ForkServerContext
from pathlib import Path

from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import reported
from studies.coordination.retries import begin_contradictions_anew
from studies.coordination.sync import fetch, mark_elsewhere, publish_finished, warn_of_torn
from studies.definition.study import Cell, Study
from studies.engine.progress import Progress, View
from studies.engine.scheduler import Options, Scheduler
from studies.engine.source import Source
from studies.engine.study_trials import StudyTrials
from studies.records.records import Record, gather
from studies.workers.forkserver import forkserver
from studies.workers.preflight import preflight
from studies.workers.signals import termination_as_interrupt


def to_train(records: Sequence[Record], options: Options) -> list[Record]:
    """Return the records that a run of the study has to train, or to wait for."""
    states = {"missing", "interrupted", "pruned"}
    states |= {"failed"} if options.retry_failed else set()
    states |= {"running"} if options.wait_for_others else set()
    return [record for record in records if record.state in states]


def in_order(missing: Sequence[Record], macs: Mapping[str, int]) -> list[Record]:
    """Return `missing` seed by seed, so that differences appear early, and of a seed the most work first.

    Work is epochs times `macs` of a row. Among about equal ones (within a tenth) the order stays, and so do seeds. Runs
    that were interrupted go before all others, the longest first: whose workers are stopped again and again would
    otherwise begin every run of a study before one is complete.
    """
    seeds = {seed: number for number, seed in enumerate(dict.fromkeys(record.run.seed for record in missing))}

    def place(record: Record) -> tuple[bool, int, int]:
        begun = record.state == "interrupted" and record.epochs > 0
        epochs = max(record.run.recipe.epochs - (record.epochs if begun else 0), 1)
        work = round(log(epochs * max(macs.get(record.row, 1), 1), 1.1))
        return not begun, 0 if begun else seeds[record.run.seed], -work

    return sorted(missing, key=place)


def run_study(study: Study, root: Path, options: Options, view: View) -> Progress:
    """Train what is missing of `study` under `root`, and say how it went; calling it again trains the rest.

    `view` is called about five times a second, and at the end. Raises `FolderError` for a folder that cannot be trusted
    or written, `StudyError` for a database that does not answer, `ConfigError`, before anything is started, for a row
    that cannot be trained so, and `KeyboardInterrupt` once every process group has been ended.
    """
    study_trials = StudyTrials(root, study, options.storage, wait_for_others=options.wait_for_others)
    with closing(study_trials):
        if options.retry_failed:
            begin_contradictions_anew(RunFolder.of(root, cell.run) for cell in study.runs())
        records = read_everywhere(study, root, study_trials)
        missing = to_train(records, options)
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
            study_trials.bring_up_to_date(records)
            view(progress)
            return progress
        context = forkserver(tracked=options.wandb != "off")
        macs = preflight(context, {record.row: record.run for record in missing}, options.slots)
        study_trials.bring_up_to_date(records)  # registers the study, whose rows can be trained
        if options.retry_failed:
            study_trials.retry(missing)
        study_trials.enqueue(in_order(missing, macs))
        drive(study_trials, root, options, context, progress, view)
        progress.records = read_everywhere(study, root, study_trials)
        study_trials.bring_up_to_date(progress.records)
    return progress


def read_everywhere(study: Study, root: Path, study_trials: StudyTrials) -> list[Record]:
    """Read what every host has of `study`, and publish what was finished here."""
    hosts = study_trials.leases.coordination
    if hosts.shared and (torn := fetch(hosts, root, [cell.run for cell in study.runs()])):
        warn_of_torn(study, torn)
        hosts.forget(torn)
    records = gather(study, root)
    if hosts.shared:
        records = mark_elsewhere(records, hosts)
        publish_finished(hosts, records)
    return records


def drive(
    source: Source, root: Path, options: Options, context: ForkServerContext, progress: Progress, view: View
) -> None:
    """Train what `source` gives until it gives no more, and keep `progress` up to date; see `run_study`."""
    scheduler = Scheduler(root, options, source, context, progress, view)
    with termination_as_interrupt():
        try:
            scheduler.loop()
        finally:
            scheduler.end()
    view(progress)
