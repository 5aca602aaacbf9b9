"""`bam explain`: the runs behind a row, or the row beside another one."""

import argparse
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from analysis.cli.arguments import JSON, RUNS, SELECTION, STUDY, argument, checked
from analysis.cli.output import grid, put
from analysis.cli.selection import read, run_command
from analysis.formats.columns import Delta, p_text, signed
from analysis.formats.json_text import json_text
from analysis.formats.legend import fixed_facts
from analysis.provenance.explanation import Explanation, device_of, explain, find_row
from analysis.provenance.pairs import PairedRows, paired_rows
from analysis.report.provenance import clock, facts
from lightning_bam.config import metrics
from studies.errors import StudyError
from studies.terminal.console import Console

EPOCHS: Final = 12
"""Epochs of a curve that are shown, evenly spaced, the last one among them; JSON has all."""
VERSIONS: Final = ("torch", "torchvision", "pytorch_lightning", "python")
ARGUMENTS = (
    STUDY,
    argument("row", help="a row's name, as `bam table` prints it"),
    argument("seed", nargs="?", type=checked(int, "a seed"), help="one seed (all of them)"),
    argument("--against", metavar="ROW", help="beside this row: pairs, curves, saturation of the gates"),
    *SELECTION,
    *RUNS,
    JSON,
)


def execute(arguments: argparse.Namespace) -> int:
    """Print what is behind the row."""
    study, records = read(arguments)
    if arguments.against is not None:
        if arguments.seed is not None:
            raise StudyError(f"--against {arguments.against}: compares all seeds; leave seed {arguments.seed} out")
        rows = find_row(study, arguments.row), find_row(study, arguments.against)
        found = paired_rows(study, records, *rows)
        print(json_text(asdict(found))) if arguments.json else show_pairs(found)
        return 0
    explanation = explain(study, records, find_row(study, arguments.row), arguments.seed)
    if arguments.json:
        print(json_text(asdict(explanation)))
    else:
        show(explanation, run_command(arguments))
    return 0


def show(explanation: Explanation, command: str) -> None:
    """Print the row, then each of its runs."""
    console = Console()
    console.print(f"{explanation.study}: {explanation.question}", soft_wrap=not console.is_terminal)
    states = ", ".join(f"{n} {state}" for state, n in Counter(run["state"] for run in explanation.runs).items())
    same = {name: str(value) for name, value in explanation.config.items() if name not in explanation.differences}
    lines = {"row": f"{explanation.row} ({states})", "baseline": "this row is the baseline"}
    if explanation.row != explanation.baseline:
        lines["baseline"] = f"{explanation.baseline}: {facts(explanation, 'baseline')}"
        lines["this row"] = facts(explanation, "row")
    for head, line in (lines | {"fixed" if explanation.differences else "config": fixed_facts(same)}).items():
        put(console, [(head, 10)], line)
    for run in explanation.runs:
        console.print()
        show_run(console, run, command)


def show_pairs(found: PairedRows) -> None:
    """Print a row beside another one: what the table says of them, then the pairs, the curves and the gates."""
    console, metric = Console(), metrics()[found.metric]
    heads, unit = (found.row, found.against), f"{metric.short} ({metric.sign.strip()})"
    delta = Delta(mean=found.delta.mean, low=found.delta.low, high=found.delta.high) if found.delta else None
    p = f"p {text}, adjusted for {found.comparisons} pairs" if (text := p_text(found.p)) else ""
    figures = [f"Δ {delta}".replace("\n", " ") if delta else "", p]
    verdict = ", ".join(filter(None, (*figures, found.verdict)))
    put(console, [(found.row, len(found.row))], f"against {found.against}: {verdict}")
    rows = [(f"seed {seed}", *pair) for seed, pair in found.pairs.items()]
    last = len(found.curves) - 1
    some = sorted({round(place * last / (EPOCHS - 1)) for place in range(EPOCHS)}) if found.curves else []
    rows += [(f"mean after epoch {found.curves[at][0]}", *found.curves[at][1:]) for at in some]
    table = grid((unit, *heads, "Δ"), text=(unit,))
    for name, ours, theirs in rows:
        table.add_row(name, f"{ours:.2f}", f"{theirs:.2f}", signed(ours - theirs))
    gates = grid(("gate saturated (%)", *heads), text=("gate saturated (%)",))
    for place, shares in found.gates.items():
        gates.add_row(place, *("-" if share is None else f"{100 * share:.1f}" for share in shares))
    for part in (table, gates):
        if part.row_count:
            console.print()
            console.print(part)


def show_run(console: Console, run: dict[str, Any], command: str) -> None:
    """Print one run."""
    metric = metrics()[run["metric"]]
    title = f"seed {run['seed']}: {run['state']}, epoch {run['epoch']}/{run['epochs']}"
    if run["figure"] is not None:
        title += f", {metric.short} {run['figure']:.2f}{metric.sign}"
    elif run["so_far"] is not None:
        title += f", {metric.short} {run['so_far']:.2f}{metric.sign} so far"
    console.print(title, style="bold", soft_wrap=True)

    def line(head: str, text: str) -> None:
        if text:
            put(console, [(f"  {head}", 10)], text)

    line("folder", run["folder"] if run["state"] != "missing" else f"{run['folder']} (to come)")
    figures = (run["result"] or {}).items()
    line("result", ", ".join(f"{k} {v:.6g}" if isinstance(v, float) else f"{k} {v}" for k, v in figures))
    gates = (run["gates"] or {}).items()
    line("gates", ", ".join(f"{k} {v['mean']:.2f} ({100 * v['saturated']:.0f} % saturated)" for k, v in gates))
    versions = ""
    for attempt in run["attempts"]:
        line(f"try {attempt.get('attempt', 1)}", course(attempt))
        if versions != (versions := versions_of(attempt)):
            line("with", versions)
    line("code", run["code"] or "")
    line("logs", ", ".join(Path(log).name for log in run["logs"]))
    for folder in run["wandb"]:
        line("W&B", folder)
    if run["state"] == "failed":
        cause = f"{run['cause']}: " if run["cause"] else ""
        rank = f" (rank {run['rank']})" if run["rank"] is not None else ""
        line("failed", f"{cause}{run['error']}{rank}")
        for text in (run["traceback"] or "").splitlines():
            console.print(f"    {text}", soft_wrap=True)
    line("go on", next_step(run, command))


def course(attempt: dict[str, Any]) -> str:
    """Return when and where an attempt was made, of what it failed, and that no figure rests on it where none does."""
    ranks, threads = attempt.get("world_size", 1), attempt.get("threads", 1)
    batch = f" batch {attempt['from_batch']}" if attempt.get("from_batch") else ""
    begin = f"from epoch {attempt['from_epoch']}{batch}" if "from_epoch" in attempt else "ended before it went on"
    begin += ", anew" if attempt.get("anew") else ""
    begin += f", since its checkpoint was damaged ({attempt['damaged']})" if attempt.get("damaged") else ""
    shape = f"{ranks} rank{'s' * (ranks != 1)} of {threads} thread{'s' * (threads != 1)}"
    parts = [clock(str(attempt["started"])), begin, f"on {attempt.get('host', '?')}", device_of(attempt) or "?", shape]
    failed = f"; failed: {attempt['failed']}" if "failed" in attempt else ""
    return ", ".join(parts) + failed + ("" if attempt["counts"] else "; nothing of it is in the figures")


def versions_of(attempt: dict[str, Any]) -> str:
    """Return the versions, the commit and the data of an attempt."""
    parts = [f"lightning-bam {attempt.get('version', '?')}"]
    parts += [f"commit {attempt['commit']}"] if "commit" in attempt else []
    parts += [f"{name} {attempt[name]}" for name in VERSIONS if name in attempt]
    parts += [f"images {attempt['data']}"] if "data" in attempt else []
    return ", ".join(parts)


def next_step(run: dict[str, Any], command: str) -> str:
    """Return how to go on with a run that is not complete."""
    if run["state"] == "failed":
        return f"`{command} --retry failed` trains it again"
    if run["state"] == "interrupted":
        start = "its last checkpoint" if run["checkpoint"] else "the start (it has no checkpoint yet)"
        return f"`{command}` goes on from {start}"
    if run["state"] in ("missing", "pruned"):
        return f"`{command}` trains it"
    return ""
