"""`bam reproduce`: a run, trained once more and compared."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from analysis.cli.find import find_run
from analysis.cli.parser import add_root
from analysis.cli.selection import root_of
from analysis.formats.columns import signed
from analysis.formats.json_text import json_text
from analysis.provenance.reproduction import DECIDING, Reproduction, compare
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import METRICS
from studies.terminal.text import one_line, unfiltered


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("run", metavar="RUN", help="a run's key or how it begins, or a run folder")
    parser.add_argument(
        "--devices",
        metavar="LIST",
        help="GPUs as 0,1 or CPU ranks as cpu:2 (the kind that the run was trained on); as many as it had are used",
    )
    parser.add_argument("--keep", metavar="DIR", help="keep the new run folder, in DIR (it is removed)")
    add_root(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Train the run again; returns 0 if every figure is equal, 1 if one is not or the new training ended otherwise."""
    record = RunFolder(find_run(arguments.run, root_of(arguments)))
    run = record.run()
    if record.result() is None:
        raise FolderError(f"{record.path}: is {record.state()}, not complete; there is nothing to compare with yet")

    from studies.workers.retrain import retrain, slot_like

    manifest = record.manifest()
    slot, threads = slot_like(manifest, arguments.devices), manifest.threads or 1
    with ExitStack() as stack:
        root = arguments.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="bam-reproduce-"))
        repetition = retrain(run, Path(root), slot, threads, teller(run.recipe.epochs))
        if repetition.result() is None:
            why = repetition.manifest().error or repetition.manifest().cause or "it left no word why"
            print(f"bam reproduce: {run.key}: the repetition is {repetition.state()}: {one_line(why)}", file=sys.stderr)
            return 1
        found = compare(record, repetition)
        if arguments.json:
            more = {"equal": found.equal, "comparable": not found.deciding}
            kept = {"kept": str(repetition.path) if arguments.keep else None}
            print(json_text(asdict(found) | more | kept))
        else:
            print("\n".join(map(one_line, told(found))))
            if arguments.keep:
                print(f"kept        {repetition.path}")
    return 0 if found.equal else 1


def teller(epochs: int) -> Callable[[int], None]:
    """Return what shows the epochs on a terminal's stderr, and elsewhere nothing."""

    def tell(done: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == epochs else ""
            print(f"\repoch {done}/{epochs}", end=end, file=unfiltered(sys.stderr), flush=True)

    return tell


def told(found: Reproduction) -> list[str]:
    """Return the lines for a person."""
    metric = METRICS[found.metric].label.removesuffix(" (%)")
    lines = [f"run         {found.key}, {found.epochs} epochs: {', '.join(found.figures)}"]
    if found.parting is None:
        lines.append(f"reproduced  every figure of every epoch is equal, bit for bit; {metric} {found.now:.2f} %")
    else:
        parting = found.parting
        before = f"equal up to epoch {parting.epoch - 1}" if parting.epoch else "not equal from the start"
        change = parting.now - parting.was
        share = f", {abs(change / parting.was):.1e} of it" if parting.was else ""
        lines.append(
            f"parted      {before}; at epoch {parting.epoch} {parting.figure} is {parting.now!r}, was {parting.was!r} "
            f"({change:+.3g}{share})"
        )
        lines.append(
            f"reported    {metric} {found.now:.2f} %, was {found.was:.2f} % ({signed(found.now - found.was)} points)"
        )
    for name, value in found.differing.items():
        why = f" (equality cannot be expected: {DECIDING[name]})" if name in found.deciding else ""
        lines.append(f"differs     {name} is {value['now']}, was {value['was']}{why}")
    if found.changed:
        lines.append(f"record      {', '.join(found.changed)} changed since the training: `bam verify` says more")
    elif found.parting is not None and not found.deciding:
        lines.append(
            "likely      nothing that decides over the last digits is known to differ: another version or commit, an "
            "operation of the GPU that is not deterministic, or a fault"
        )
    return lines
