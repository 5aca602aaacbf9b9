"""`bam reproduce`: a run, trained once more and compared."""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

from analysis.cli.arguments import JSON, ROOT, argument
from analysis.cli.find import CODE, find_run, read_run
from analysis.formats.columns import signed
from analysis.formats.json_text import json_text
from analysis.provenance.reproduction import DECIDING, Reproduction, compare
from lightning_bam.config import metrics
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from studies.terminal.text import one_line, unfiltered

ARGUMENTS = (
    argument("run", metavar="RUN", help="a run's key or how it begins, or a run folder"),
    argument(
        "--devices",
        metavar="LIST",
        help="GPUs as 0,1 or CPU ranks as cpu:2 (the kind that the run was trained on); as many as it had are used",
    ),
    argument("--keep", metavar="DIR", help="keep the new run folder, in DIR (it is removed)"),
    CODE,
    ROOT,
    JSON,
)


def execute(arguments: argparse.Namespace) -> int:
    """Train the run again; returns 0 if every figure is equal, 1 if one is not or the new training ended otherwise."""
    record = RunFolder(find_run(arguments))
    run = read_run(record, arguments.code)
    if record.result() is None:
        raise FolderError(f"{record.path}: is {record.state()}, not complete; there is nothing to compare with yet")

    from studies.workers.retrain import retrain, slot_like

    manifest = record.manifest()
    slot, threads = slot_like(manifest, arguments.devices), manifest.threads or 1
    with ExitStack() as stack:
        root = arguments.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="bam-reproduce-"))
        repetition = retrain(run, Path(root), slot, threads, partial(show_epoch, epochs=run.recipe.epochs))
        if repetition.result() is None:
            why = repetition.manifest().error or repetition.manifest().cause or "it left no word why"
            print(f"bam reproduce: {run.key}: the repetition is {repetition.state()}: {one_line(why)}", file=sys.stderr)
            return 1
        comparison = compare(record, repetition)
        if arguments.json:
            more = {"equal": comparison.equal, "comparable": not comparison.deciding}
            folder = {"kept": str(repetition.path) if arguments.keep else None}
            print(json_text(asdict(comparison) | more | folder))
        else:
            print("\n".join(map(one_line, lines_of(comparison))))
            if arguments.keep:
                print(f"kept        {repetition.path}")
    return 0 if comparison.equal else 1


def show_epoch(done: int, epochs: int) -> None:
    """Show the epochs on a terminal's stderr, and elsewhere nothing."""
    if sys.stderr.isatty():
        end = "\n" if done == epochs else ""
        print(f"\repoch {done}/{epochs}", end=end, file=unfiltered(sys.stderr), flush=True)


def lines_of(outcome: Reproduction) -> list[str]:
    """Return the lines for a person."""
    now, was = outcome.now, outcome.was
    scale = metrics()[outcome.metric]
    metric, sign, points = scale.title, scale.sign, scale.points
    lines = [f"run         {outcome.key}, {outcome.epochs} epochs: {', '.join(outcome.figures)}"]
    if outcome.parting is None:
        lines.append(f"reproduced  every figure of every epoch is equal, bit for bit; {metric} {now:.2f}{sign}")
    else:
        parting = outcome.parting
        before = f"equal up to epoch {parting.epoch - 1}" if parting.epoch else "not equal from the start"
        at = f"at epoch {parting.epoch} {parting.figure} is {parting.now!r}, was {parting.was!r}"
        change = parting.now - parting.was
        share = f", {abs(change / parting.was):.1e} of it" if parting.was else ""
        lines.append(f"parted      {before}; {at} ({change:+.3g}{share})")
        lines.append(f"reported    {metric} {now:.2f}{sign}, was {was:.2f}{sign} ({signed(now - was)} {points})")
    for name, value in outcome.differing.items():
        why = f" (equality cannot be expected: {DECIDING[name]})" if name in outcome.deciding else ""
        lines.append(f"differs     {name} is {value['now']}, was {value['was']}{why}")
    if outcome.changed:
        lines.append(f"record      {', '.join(outcome.changed)} changed since the training: `bam verify` says more")
    elif outcome.parting is not None and not outcome.deciding:
        lines.append(
            "likely      nothing that decides over the last digits is known to differ: another version or commit, an "
            "operation of the GPU that is not deterministic, or a fault"
        )
    return lines
