"""`bam seeds`: which rows are open, and what closing them costs."""

import argparse
from dataclasses import asdict

from analysis.cli.arguments import JSON, ONE_STUDY, argument, checked, hours
from analysis.cli.output import grid
from analysis.cli.selection import read, root_of, run_command, select
from analysis.formats.columns import signed
from analysis.formats.json_text import json_text
from analysis.planning.needs import Need, needs, total_hours
from analysis.planning.rounds import is_ended
from analysis.table.build import Table, tables
from studies.stopping_rules.declaration import first_fresh
from studies.terminal.console import Console

ENDED = "a rule that a failed run has ended goes on where that run is trained again"

ARGUMENTS = (
    *ONE_STUDY,
    argument(
        "--budget", type=checked(hours, "a time like 12h, 90m or 2d"), metavar="TIME", help="device-hours to spend"
    ),
    JSON,
)


def execute(arguments: argparse.Namespace) -> int:
    """Print what each open row needs."""
    study, records = read(arguments)
    (table,) = tables([(study, records)])
    rows = needs(table, records, arguments.budget)
    total = total_hours(rows, table, records)
    if not arguments.json:
        show(table, rows, total, arguments)
        return 0
    data = {
        "study": study.label,
        "margin": table.margin,
        "budget_hours": arguments.budget,
        "verdicts": {row.label: str(row.verdict) for row in table.rows},
        "open": [asdict(need) | {"seeds": need.seeds} for need in rows],
        "device_hours": total,
        "notes": table.choices,
    }
    print(json_text(data))
    return 0


def show(table: Table, open_rows: list[Need], total: float | None, arguments: argparse.Namespace) -> None:
    """Print a line a row, what closing all of them costs, and how to go on: by a rule, on fresh seeds."""
    console = Console()
    console.print(f"{table.study}: {table.question}", soft_wrap=not console.is_terminal)
    by_row = {need.row: need for need in open_rows}
    columns = _columns(table)
    headings = ["row", "n", "Δ", *columns, "device-hours", *["in budget"] * bool(arguments.budget)]
    listing = grid(headings, text=("row",))
    for row in table.rows:
        if row.verdict.kind == "baseline":
            continue
        cells = [row.label, str(row.delta.n if row.delta else 0), signed(row.delta.mean) if row.delta else ""]
        if (need := by_row.get(row.label)) is None:
            cells.append(str(row.verdict) if is_ended(row) else str(row.verdict).partition(":")[0])
        else:
            cost = "-" if need.seeds is None else "not known yet" if need.hours is None else f"{need.hours:.2g}"
            cells += [seeds(getattr(need, name)) for name in columns.values()] + [cost]
            cells += [{True: "yes", False: "no", None: "not known"}[need.affordable]] if arguments.budget else []
        listing.add_row(*cells)
    console.print(listing)
    lines = [*table.choices]
    lines += [f"{ENDED}: `{run_command(arguments)} --retry failed`"] if any(map(is_ended, table.rows)) else []
    console.print("\n".join([*lines, *_closing(table, open_rows, total, arguments)]), soft_wrap=True)


def _closing(table: Table, open_rows: list[Need], total: float | None, arguments: argparse.Namespace) -> list[str]:
    """Say what closing all open rows costs, and how to go on."""
    if not open_rows:
        return ["no row is open whose figures tell how many seeds it needs"]
    costs = ""
    if total is not None:
        costs = f"; closing those that can be costs about {total:.2g} device-hours, baseline included"
    lines = [f"{len(open_rows)} open{costs}"]
    if table.stopping is not None:
        lines.append(f"its seeds follow a rule ({table.stopping}): `{run_command(arguments)}` goes on by it")
    else:
        lines += _explained(table)
        whole = select(arguments.study, arguments, whole=True)
        fresh = first_fresh(whole, root_of(arguments), arguments.storage)
        lines.append(
            "Seeds that are added because of this look make p too small. A rule that is declared first, on fresh "
            f"seeds, does not: `{run_command(arguments, seeds=False)} --until-resolved --first-seed {fresh}`"
        )
    return lines


def _columns(table: Table) -> dict[str, str]:
    """Return heading -> attribute of `Need` for the numbers of seeds that a table has."""
    if table.stopping is not None:
        return {"to the next look": "to_look"}
    planned = {} if table.margin is None else {f"to see ±{table.margin:g}": "to_differ", "to call it none": "to_equal"}
    return planned | {"as seen": "as_seen"}


def _explained(table: Table) -> list[str]:
    """Say what the numbers of seeds are planned on."""
    lines = []
    if table.margin is None:
        lines.append("Name the difference that matters, as --margin 0.3: seeds are planned on that.")
    else:
        lines.append(
            f"Planned for 80 % power at 5 % over {table.comparisons} comparisons, with the spread seen, of which few "
            f"seeds tell little: to see a true difference of ±{table.margin:g} {table.metric.points}, and to call a "
            "true difference of 0 equivalent within it. A row costs the more of the two, without the baseline."
        )
    return [
        *lines,
        "As seen: until the Δ seen would be resolved, were it the true one. It is a guess: of rows without any effect "
        "21 to 37 % have such a number up to 30, and of these one in 25 is resolved by then.",
    ]


def seeds(more: int | None) -> str:
    """Write a number of seeds to come."""
    return ">1000 seeds" if more is None else f"{more} more seed{'s' * (more != 1)}"
