"""`bam explain`: the runs behind a row."""

import argparse
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from analysis.cli.arguments import JSON, RUNS, SELECTION, STUDY, argument, checked
from analysis.cli.output import put
from analysis.cli.selection import read, run_command
from analysis.formats.json_text import json_text
from analysis.formats.legend import fixed_facts
from analysis.provenance.explanation import Explanation, device_of, explain, find_row
from analysis.report.provenance import clock, facts
from lightning_bam.config import metrics
from studies.terminal.console import Console

VERSIONS: Final = ("torch", "torchvision", "pytorch_lightning", "python")
ARGUMENTS = (
    STUDY,
    argument("row", help="a row's name, as `bam table` prints it"),
    argument("seed", nargs="?", type=checked(int, "a seed"), help="one seed (all of them)"),
    *SELECTION,
    *RUNS,
    JSON,
)


def execute(arguments: argparse.Namespace) -> int:
    """Print what is behind the row."""
    study, records = read(arguments)
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
