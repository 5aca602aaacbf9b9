"""`bam plan`: what a study would train, what it costs, and what it could tell; writes nothing."""

import argparse
from collections import Counter
from typing import Any

from rich.text import Text

from analysis.cli.arguments import JSON, RUNS, SELECTION, STUDIES
from analysis.cli.output import grid
from analysis.cli.selection import records_of, root_of, select
from analysis.formats.json_text import json_text
from analysis.formats.legend import fixed_facts
from analysis.planning.needs import hours_a_run
from analysis.statistics.power import least_resolvable
from studies.records.counts import counts
from studies.records.purpose import earlier_code, others
from studies.terminal.console import Console

ARGUMENTS = (STUDIES, *SELECTION, *RUNS, JSON)


def execute(arguments: argparse.Namespace) -> int:
    """Print the plan of each study."""
    plans = [plan(name, arguments) for name in arguments.study]
    if arguments.json:
        print(json_text(plans))
        return 0
    for one in plans:
        show(one)
    return 0


def plan(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the plan of one study as JSON data; hours are known once a run of the row has finished."""
    study = select(name, arguments, keep=False)
    records = records_of(study, arguments, keep=False)
    costs, pace = counts(study.rows), hours_a_run(records)
    rows = []
    for row in study.rows:
        states = Counter(record.state for record in records if record.row == row)
        rest = states.total() - states["complete"] - states["failed"]
        rows.append(
            {
                "row": row,
                "params": costs[row].params,
                "macs": costs[row].macs,
                "states": dict(states),
                "device_hours_left": round(rest * pace[row], 4) if row in pace else (0.0 if not rest else None),
            }
        )
    n = len(study.seed_list)
    beside = others(root_of(arguments), {study.label: {record.run.key for record in records}})[study.label]
    return {
        "study": study.label,
        "question": study.question,
        "seeds": n,
        "runs": len(records),
        "left": sum(record.state != "complete" for record in records),
        "least_resolvable_sd": round(least_resolvable(1.0, n, comparisons=study.comparisons), 3) if n > 1 else None,
        "earlier_code": dict(earlier_code(study.rows, beside)),
        "fixed": study.fixed(),
        "rows": rows,
    }


def show(one: dict[str, Any]) -> None:
    """Print one plan."""
    console = Console()
    console.print(Text.assemble((one["study"], "bold"), f": {one['question']}"))
    headings = ("row", "params", "MACs", "done", "running", "failed", "to train", "device-hours left")
    table = grid(headings, text=("row",))
    for row in one["rows"]:
        states = Counter(row["states"])
        to_train = states["missing"] + states["interrupted"] + states["pruned"]
        numbers = (states["complete"], states["running"], states["failed"], to_train)
        hours = "not known yet" if row["device_hours_left"] is None else f"{row['device_hours_left']:.2g}"
        counted = (f"{row['params']:,}", f"{row['macs']:,}")
        table.add_row(row["row"], *counted, *(str(number or "-") for number in numbers), hours)
    console.print(table)
    resolvable = one["least_resolvable_sd"]
    power = "one seed tells no difference"
    if resolvable is not None:
        power = f"{one['seeds']} seeds resolve {resolvable} sd of paired differences (80 % power, 5 % over all rows)"
    console.print(f"{one['left']} of {one['runs']} runs left; {power}")
    if one["earlier_code"]:
        rows = ", ".join(f"{row} {number}" for row, number in one["earlier_code"].items())
        console.print(
            f"trained with earlier code: {rows}; these runs keep their keys, and the present code trains anew"
        )
    console.print(f"fixed: {fixed_facts(one['fixed'])}")
