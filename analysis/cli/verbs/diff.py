"""`bam diff`: two runs side by side."""

import argparse
from dataclasses import asdict
from typing import Any, Final

from analysis.cli.arguments import JSON, ROOT, argument
from analysis.cli.find import find_folder
from analysis.cli.output import grid
from analysis.cli.selection import root_of
from analysis.formats.columns import signed
from analysis.formats.json_text import json_text
from analysis.provenance.difference import Difference, Pair, difference
from lightning_bam.config import metrics
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import ENTRIES
from studies.terminal.console import Console
from studies.terminal.text import one_line

MOST: Final = 12
"""Epochs that are shown, evenly spaced, the last one among them; JSON has all."""
ARGUMENTS = (
    argument("first", metavar="RUN", help="a run's key or how it begins, or a run folder"),
    argument("second", metavar="RUN", help="the run to compare it with"),
    ROOT,
    JSON,
)


def execute(arguments: argparse.Namespace) -> int:
    """Print in what two runs differ; returns 0 if they have one configuration and all figures are equal, else 1."""
    first, second = (RunFolder(find_folder(text, root_of(arguments))) for text in (arguments.first, arguments.second))
    found = difference(first, second)
    if arguments.json:
        print(json_text(asdict(found) | {"equal": found.equal}))
    else:
        show(found)
    return 0 if found.equal else 1


def show(found: Difference) -> None:
    """Print what differs, part by part: configuration, environment, figures, epochs."""
    console = Console()
    heads = [f"{key} ({state})" for key, state in zip(found.runs, found.states, strict=True)]
    parts = {
        "configuration": found.config,
        "environment": {f"{ENTRIES[name].label}{_why(name)}": pair for name, pair in found.environment.items()},
        "figures": found.figures,
    }
    for title, pairs in parts.items():
        table = grid((title, *heads, *(["Δ"] if title == "figures" else [])), text=(title, *heads))
        for name, pair in pairs.items():
            table.add_row(*map(one_line, (name, *map(_text, pair), *([_change(pair)] if title == "figures" else []))))
        if pairs:
            console.print(table)
        else:
            console.print(f"{title}: {'none yet' if title == 'figures' else 'the same'}", soft_wrap=True)
        console.print()
    show_epochs(console, found, heads)


def _why(name: str) -> str:
    return " (figures may differ)" if ENTRIES[name].changes else ""


def show_epochs(console: Console, found: Difference, heads: list[str]) -> None:
    """Print where the epochs part, and the metric after some of them."""
    if found.parting is not None:
        epoch, figure, (one, other) = found.parting
        console.print(f"epochs part at epoch {epoch}: {figure} is {one!r} and {other!r}", soft_wrap=True)
    elif found.epochs:
        console.print("epochs: every figure of those that both have is equal", soft_wrap=True)
    count = len(found.epochs)
    if found.metric is None or not count:
        return
    metric = metrics()[found.metric]
    shown = sorted({round(place * (count - 1) / (MOST - 1)) for place in range(MOST)})
    table = grid((f"epoch: {metric.short} ({metric.sign.strip()})", *heads, "Δ"))
    for epoch in shown:
        pair = found.epochs[epoch]
        table.add_row(str(epoch), *(f"{value:.2f}" if value is not None else "-" for value in pair), _change(pair))
    console.print(table)


def _text(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _change(pair: Pair) -> str:
    one, other = pair
    if one is None or other is None or one == other:
        return ""
    change = other - one
    if isinstance(change, int):
        return f"{change:+d}"
    return signed(change) if abs(change) >= 0.005 else f"{change:+.1e}"
