"""`bam plan`: what a study would train, what it costs, and what it could tell; writes nothing."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from rich.table import Table
from rich.text import Text

from analysis.cli.parser import add_root, add_selection, add_storage
from analysis.cli.selection import gathered, selected
from analysis.formats import fixed_facts
from analysis.formats.json_text import json_text
from analysis.planning.needs import hours_a_run
from analysis.statistics.power import least_resolvable
from studies.definition.study import Study
from studies.records.counts import counts
from studies.terminal.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("study", nargs="+", help="a name of the catalogue, or a Python file that defines STUDY")
    add_selection(parser)
    add_root(parser)
    add_storage(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Print the plan of each study."""
    plans = [plan(selected(name, arguments, keep=False), arguments) for name in arguments.study]
    if arguments.json:
        print(json_text(plans))
        return 0
    for one in plans:
        show(one)
    return 0


def plan(study: Study, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the plan of one study as JSON data; hours are known once a run of the row has finished."""
    records = gathered(study, arguments, keep=False)
    costs, pace = counts(study.rows), hours_a_run(records)
    rows = []
    for row in study.rows:
        mine = [record for record in records if record.row == row]
        left = sum(record.state not in ("complete", "failed") for record in mine)
        rows.append(
            {
                "row": row,
                "params": costs[row].params,
                "macs": costs[row].macs,
                "states": dict(Counter(record.state for record in mine)),
                "device_hours_left": round(left * pace[row], 4) if row in pace else (0.0 if not left else None),
            }
        )
    n = len(study.seed_list)
    return {
        "study": study.label,
        "question": study.question,
        "seeds": n,
        "runs": len(records),
        "left": sum(record.state != "complete" for record in records),
        "least_resolvable_sd": round(least_resolvable(1.0, n, comparisons=study.comparisons), 3) if n > 1 else None,
        "fixed": study.fixed(),
        "rows": rows,
    }


def show(one: dict[str, Any]) -> None:
    """Print one plan."""
    console = Console()
    console.print(Text.assemble((one["study"], "bold"), f": {one['question']}"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("row", "params", "MACs", "done", "running", "failed", "to train", "device-hours left"):
        table.add_column(column, justify="left" if column == "row" else "right")
    for row in one["rows"]:
        states = Counter(row["states"])
        to_train = states["missing"] + states["interrupted"] + states["pruned"]
        hours = "not known yet" if row["device_hours_left"] is None else f"{row['device_hours_left']:.2g}"
        table.add_row(
            row["row"],
            f"{row['params']:,}",
            f"{row['macs']:,}",
            *(str(states[state] or "-") for state in ("complete", "running", "failed")),
            str(to_train or "-"),
            hours,
        )
    console.print(table)
    resolvable = one["least_resolvable_sd"]
    tells = "one seed tells no difference"
    if resolvable is not None:
        tells = f"{one['seeds']} seeds resolve {resolvable} sd of paired differences (80 % power, 5 % over all rows)"
    console.print(f"{one['left']} of {one['runs']} runs left; {tells}")
    console.print(f"fixed: {fixed_facts(one['fixed'])}")
