"""Run what is missing of a study, or whatever a search asks for."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning_bam.config import Run
from studies.headline import reported
from studies.ledger import Ledger
from studies.preflight import preflight
from studies.processes import end_all, forkserver
from studies.progress import Progress, View
from studies.records import Record, gather
from studies.scheduler import Options, Scheduler, Source
from studies.study import Cell, Study


def wanted(records: Sequence[Record], retry_failed: bool) -> list[Record]:
    """Return the records that a run of the study has to train."""
    states = {"missing", "lost", "pruned"} | ({"failed"} if retry_failed else set())
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
        ConfigError: a row that cannot be trained so, found before anything is started.
        KeyboardInterrupt: interrupted; every process group has been ended, and the next call goes on.

    """
    records = gather(study, root)
    missing = wanted(records, options.retry_failed)
    ledger = Ledger(root, study)
    ledger.bring_up_to_date(records, missing)
    before = [(Cell(r.row, r.run), reported(r.run, r.result)) for r in records if r.result is not None]
    progress = Progress(
        title=study.label, total=len(records), slots=len(options.slots), before=before, pending=len(missing)
    )
    if not missing:
        view(progress)
        return progress
    rows = {record.row: record.run for record in missing}
    drive(ledger, root, options, rows, progress, view)
    return progress


def drive(
    source: Source, root: Path, options: Options, rows: Mapping[str, Run], progress: Progress, view: View
) -> None:
    """Train what `source` gives until it gives no more.

    Args:
        source: a ledger or a search.
        root: the runs folder.
        options: where and how.
        rows: one run of each kind to come, checked before anything is started.
        progress: kept up to date.
        view: shown the progress.

    Raises:
        ConfigError: one of `rows` cannot be trained so.
        KeyboardInterrupt: interrupted; every process group has been ended.

    """
    context = forkserver()
    preflight(context, rows, options.slots)
    with termination_as_interrupt():
        try:
            Scheduler(root, options, source, context, progress, view).loop()
        finally:
            end_all([active.process for active in progress.active])
    view(progress)


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C, so that both end every group."""

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
