"""`bam seeds`: which rows are open, and what closing them costs."""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict

from rich.table import Table as Grid

from analysis.cli.again import command
from analysis.cli.argument_types import checked
from analysis.cli.parser import add_margin, add_root, add_selection, add_storage
from analysis.cli.selection import gathered, looked_at, root_of, selected
from analysis.formats.columns import signed
from analysis.formats.json_text import json_text
from analysis.planning.needs import Need, needs, total_hours
from analysis.table.build import Table, tabulate
from analysis.table.model import Row
from studies.stopping_rules.fresh_seeds import first_fresh
from studies.terminal.console import Console

UNITS = {"m": 1 / 60, "h": 1.0, "d": 24.0}


def hours(text: str) -> float:
    """Read `12h`, `90m` or `2d` as hours."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", text)
    if not match or float(match.group(1)) == 0:
        raise ValueError
    return float(match.group(1)) * UNITS[match.group(2)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("study", help="a name of the catalogue, or a Python file that defines STUDY")
    add_selection(parser)
    add_margin(parser)
    add_root(parser)
    add_storage(parser)
    parser.add_argument(
        "--budget", type=checked(hours, "a time like 12h, 90m or 2d"), metavar="TIME", help="device-hours to spend"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Print what each open row needs."""
    looked_at(arguments)
    study = selected(arguments.study, arguments)
    records = gathered(study, arguments)
    table = tabulate(records, study)
    found = needs(table, records, arguments.budget)
    total = total_hours(found, table, records)
    if arguments.json:
        rows = [asdict(need) | {"seeds": need.seeds} for need in found]
        verdicts = {row.label: str(row.verdict) for row in table.rows}
        told = {"study": study.label, "margin": table.margin, "budget_hours": arguments.budget, "verdicts": verdicts}
        print(json_text(told | {"open": rows, "device_hours": total}))
        return 0
    show(table, found, total, arguments)
    return 0


def show(table: Table, found: list[Need], total: float | None, arguments: argparse.Namespace) -> None:
    """Print a line a row, what closing all of them costs, and how to go on: by a rule, on fresh seeds."""
    console = Console()
    console.print(f"{table.study}: {table.question}", soft_wrap=True)
    by_row = {need.row: need for need in found}
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    names = ["row", "n", "Δ", "to resolve it", "to call it none", "device-hours"]
    names += ["in budget"] if arguments.budget else []
    for name in names:
        grid.add_column(name, justify="left" if name == "row" else "right")
    for row in table.rows:
        if row.verdict.kind == "baseline":
            continue
        need = by_row.get(row.label)
        shown = [row.label, str(row.delta.n if row.delta else 0), signed(row.delta.mean) if row.delta else ""]
        if need is None:
            grid.add_row(*shown, str(row.verdict).partition(":")[0], "", "", *([""] if arguments.budget else []))
            continue
        cost = "-" if need.seeds is None else "not known yet" if need.hours is None else f"{need.hours:.2g}"
        fits = [{True: "yes", False: "no", None: "not known"}[need.affordable]] if arguments.budget else []
        grid.add_row(*shown, seeds(need.to_differ), to_call_it_none(row, need, table), cost, *fits)
    console.print(grid)
    if not found:
        console.print("no row is open whose figures tell how many seeds it needs")
        return
    costs = (
        "" if total is None else f"; closing those that can be costs about {total:.2g} device-hours, baseline included"
    )
    if table.stopping is not None:
        console.print(f"{len(found)} open{costs}", soft_wrap=True)
        console.print(
            f"its seeds follow a rule ({table.stopping}): `{command(arguments)}` goes on by it", soft_wrap=True
        )
        return
    assumed = f"80 % power, 5 % over {table.comparisons} comparisons, if the Δ and spread seen so far persist"
    console.print(f"{len(found)} open{costs} ({assumed})", soft_wrap=True)
    if table.margin is not None:
        console.print(
            f"To call it none is to find it equivalent within ±{table.margin:g} points; - where the Δ seen is not "
            "within that. A row costs the fewer of its two numbers of seeds.",
            soft_wrap=True,
        )
    whole = selected(arguments.study, argparse.Namespace(**vars(arguments) | {"only": [], "seeds": None}))
    fresh = first_fresh(whole, root_of(arguments), arguments.storage)
    console.print(
        "Seeds that are added because of this look make p too small. A rule that is declared first, on fresh seeds, "
        f"does not: `{command(arguments, seeds=False)} --until-resolved --first-seed {fresh}`",
        soft_wrap=True,
    )


def seeds(more: int | None) -> str:
    """Write a number of seeds to come."""
    return ">1000 seeds" if more is None else f"{more} more seed{'s' * (more != 1)}"


def to_call_it_none(row: Row, need: Need, table: Table) -> str:
    """Write how many seeds would show an open row to be equivalent, or why none would."""
    if table.margin is None:
        return "no margin"
    if row.interim is not None:
        return "at that look"
    outside = row.delta is not None and abs(row.delta.mean) >= table.margin
    return "-" if outside else seeds(need.to_equal)
