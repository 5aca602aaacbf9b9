"""`bam explain`: the runs behind a row."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from analysis.cli.again import command
from analysis.cli.argument_types import checked
from analysis.cli.lines import put
from analysis.cli.parser import add_root, add_selection, add_storage
from analysis.cli.selection import gathered, looked_at, selected
from analysis.formats import fixed_facts
from analysis.formats.json_text import json_text
from analysis.provenance.explanation import Explanation, explain, find_row
from studies.terminal.console import Console

LAST: Final = 30
"""Lines of a traceback that are shown."""
VERSIONS: Final = ("torch", "torchvision", "pytorch_lightning", "python")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("study", help="a name of the catalogue, or a Python file that defines STUDY")
    parser.add_argument("row", help="a row's name, as `bam table` prints it")
    parser.add_argument("seed", nargs="?", type=checked(int, "a seed"), help="one seed (all of them)")
    add_selection(parser)
    add_root(parser)
    add_storage(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Print what is behind the row."""
    looked_at(arguments)
    study = selected(arguments.study, arguments)
    row = find_row(study, arguments.row)
    explanation = explain(study, gathered(study, arguments), row, arguments.seed)
    if arguments.json:
        print(json_text(asdict(explanation)))
    else:
        show(explanation, command(arguments))
    return 0


def show(explanation: Explanation, command: str) -> None:
    """Print the row, then each of its runs."""
    console = Console()
    console.print(f"{explanation.study}: {explanation.question}", soft_wrap=True)
    states = ", ".join(f"{n} {state}" for state, n in Counter(run["state"] for run in explanation.runs).items())
    put(console, [("row", 10)], f"{explanation.row} ({states})")
    if explanation.row == explanation.baseline:
        put(console, [("baseline", 10)], "this row is the baseline")
    else:
        put(console, [("baseline", 10)], f"{explanation.baseline}: {facts(explanation, 'baseline')}")
        put(console, [("this row", 10)], facts(explanation, "row"))
    same = {name: str(value) for name, value in explanation.config.items() if name not in explanation.differences}
    put(console, [("fixed", 10)] if explanation.differences else [("config", 10)], fixed_facts(same))
    for run in explanation.runs:
        console.print()
        show_run(console, run, command)


def facts(explanation: Explanation, side: str) -> str:
    """Return what one side has where the row and its baseline differ."""
    values = {name: value[side] for name, value in explanation.differences.items()}
    return fixed_facts({name: str(value) for name, value in values.items() if value != "-"})


def show_run(console: Console, run: dict[str, Any], command: str) -> None:
    """Print one run."""
    name = "mAP" if run["metric"].startswith("map") else "error"
    figure = f", {name} {run['figure']:.2f} %" if run["figure"] is not None else ""
    if run["figure"] is None and run["so_far"] is not None:
        figure = f", {name} {run['so_far']:.2f} % so far"
    told = f"seed {run['seed']}: {run['state']}, epoch {run['epoch']}/{run['epochs']}{figure}"
    console.print(told, style="bold", soft_wrap=True)
    put(console, [("  folder", 10)], run["folder"] if run["state"] != "missing" else f"{run['folder']} (to come)")
    if run["result"]:
        put(
            console,
            [("  result", 10)],
            ", ".join(f"{k} {v:.6g}" if isinstance(v, float) else f"{k} {v}" for k, v in run["result"].items()),
        )
    made = ""
    for attempt in run["attempts"]:
        put(console, [(f"  try {attempt.get('attempt', 1)}", 10)], where(attempt) + outcome(attempt))
        if made != (made := made_with(attempt)):
            put(console, [("  with", 10)], made)
    if run["logs"]:
        put(console, [("  logs", 10)], ", ".join(Path(log).name for log in run["logs"]))
    for found in run["wandb"]:
        put(console, [("  W&B", 10)], found)
    if run["state"] == "failed":
        cause = f"{run['cause']}: " if run["cause"] else ""
        rank = f" (rank {run['rank']})" if run["rank"] is not None else ""
        put(console, [("  failed", 10)], f"{cause}{run['error']}{rank}")
        lines = (run["traceback"] or "").splitlines()
        if len(lines) > LAST:
            console.print(f"    ... {len(lines) - LAST} lines above these; --json has them")
        for line in lines[-LAST:]:
            console.print(f"    {line}", soft_wrap=True)
    if hint := next_step(run, command):
        put(console, [("  go on", 10)], hint)


def where(attempt: dict[str, Any]) -> str:
    """Return when and where an attempt was made."""
    told = str(attempt["started"]).replace("T", " ").replace("+00:00", " UTC")
    ranks, threads = attempt.get("world_size", 1), attempt.get("threads", 1)
    device = attempt.get("device", "?") if attempt.get("device") != "cpu" else f"cpu {attempt.get('cpu', '')}".strip()
    batch = f" batch {attempt['from_batch']}" if attempt.get("from_batch") else ""
    begun = f"from epoch {attempt['from_epoch']}{batch}" if "from_epoch" in attempt else "ended before it went on"
    begun += ", anew" if attempt.get("anew") else ""
    begun += f", since its checkpoint was damaged ({attempt['damaged']})" if attempt.get("damaged") else ""
    parts = [
        f"{told}, {begun}",
        f"on {attempt.get('host', '?')}",
        f"{device}, {ranks} rank{'s' * (ranks != 1)} of {threads} thread{'s' * (threads != 1)}",
    ]
    return ", ".join(parts)


def outcome(attempt: dict[str, Any]) -> str:
    """Return of what an attempt failed, and whether the figures rest on it, where they do not."""
    failed = f"; failed: {attempt['failed']}" if "failed" in attempt else ""
    return failed if attempt["counts"] else f"{failed}; nothing of it is in the figures"


def made_with(attempt: dict[str, Any]) -> str:
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
        kept = "its last checkpoint" if run["checkpoint"] else "the start (it has no checkpoint yet)"
        return f"`{command}` goes on from {kept}"
    if run["state"] in ("missing", "pruned"):
        return f"`{command}` trains it"
    return ""
