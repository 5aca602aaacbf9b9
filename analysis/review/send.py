"""Tell W&B what a study came to: by a process of its own, which a server that does not answer cannot hold for long."""

import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Final, NamedTuple

from analysis.bundle.contents import BundleOptions, made_of
from analysis.review.contents import analysis_of, methods
from analysis.review.saved import REASON, Pages, Saved, pages, save
from analysis.table.build import Table
from studies.definition.study import Study
from studies.errors import StudyError
from studies.job.job import WandbMode
from studies.records.records import Record
from studies.terminal.text import one_line
from studies.tracking.analysis_run import Analysis, Sent, send
from studies.tracking.standing import note_told, standing
from studies.workers.aside import Aside

LIMIT: Final = 120.0
LIMIT_A_RUN: Final = 1.0
"""Seconds that a server has for all of it, and for each run more, which is asked for and tagged by itself."""


class Outcome(NamedTuple):
    """What was sent, what was saved, and what is to be said of it."""

    sent: Sent | None
    saved: Saved | None
    lines: Sequence[str]


def tell_wandb(
    study: Study,
    records: Sequence[Record],
    table: Table,
    root: Path,
    mode: WandbMode,
    bundle: BundleOptions,
    *,
    alert: bool = False,
) -> bool:
    """Write a study's analysis run, and save its view and Report where a server has it; a line says where that is.

    What goes wrong with W&B is a line on stderr; returns whether all of it has gone well.
    """
    analysis = analysis_of(study, records, table, root, bundle, alert=alert)
    built: Pages | str = "no server has it"
    if mode == "online":
        try:
            built = pages(
                study, table, methods=methods(study, records, table, root), made=made_of(records, bundle.words)
            )
        except StudyError as error:
            built = str(error)
    try:
        with Aside(LIMIT + LIMIT_A_RUN * len(analysis.runs)) as wandb:
            outcome = wandb.ask(_send, analysis, built if isinstance(built, Pages) else None, root.absolute(), mode)
    except StudyError as error:
        outcome = Outcome(None, None, [f"W&B: what {study.label} came to is not sent ({error})"])
    for line in outcome.lines:
        print(f"bam: {one_line(line)}", file=sys.stderr)
    if outcome.sent is None:
        return False
    if not outcome.sent.url:
        if mode == "offline":
            note_told(root, study.label, standing(records))
        return mode == "offline"
    told = f"what {study.label} came to: {outcome.sent.url}"
    told += f"; its view: {outcome.saved.view}; its Report: {outcome.saved.report}" if outcome.saved else ""
    print(f"bam: W&B: {told}", file=sys.stderr)
    if isinstance(built, str):
        print(f"bam: W&B: {built}", file=sys.stderr)
    if not outcome.lines:
        note_told(root, study.label, standing(records))
    return not outcome.lines


def _send(analysis: Analysis, built: Pages | None, root: Path, mode: WandbMode) -> Outcome:
    printed = io.StringIO()
    sent = saved = None
    with redirect_stdout(printed):
        try:
            sent = send(analysis, root, mode)
            if sent is not None and sent.untagged:
                print(f"W&B: runs of {analysis.label} may lack its tag ({sent.untagged}); the same command tries again")
            if sent is not None and sent.url and built is not None:
                saved = save(built, sent.entity, sent.project)
        except StudyError as error:
            print(error)
        except Exception as error:  # W&B's are of any kind, and of many lines
            reason = " ".join(str(error).split())[:REASON] or type(error).__name__
            print(f"W&B: what {analysis.label} came to is not sent ({reason}); the same command tries again")
    return Outcome(sent, saved, printed.getvalue().splitlines())
