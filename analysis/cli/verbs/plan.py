"""`bam plan`: what a study would train, what it costs, and what it could tell; writes nothing."""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any

from rich.text import Text

from analysis.checks.unlisted import of_study, with_dropped
from analysis.cli.arguments import JSON, RANKS, RUNS, SELECTION, STUDIES, argument, margin, points, rule
from analysis.cli.output import grid
from analysis.cli.selection import records_of, root_of, select, with_asked_rule
from analysis.formats.json_text import json_text
from analysis.formats.legend import fixed_facts
from analysis.planning.forecast import forecast
from analysis.planning.measured import Measured, measure
from analysis.planning.needs import hours_a_run
from analysis.planning.resolvable import Look, looks_of
from analysis.statistics.power import MOST_SEEDS, least_resolvable
from analysis.table.build import tabulate
from studies.coordination.sync import gather_everywhere
from studies.definition.study import Study
from studies.errors import StudyError
from studies.job.devices import parse_devices, slots
from studies.records.counts import counts
from studies.records.purpose import earlier_code, others
from studies.records.records import Record
from studies.stopping_rules.declaration import begun_runs, first_fresh
from studies.terminal.console import Console

STEPS = 20
"""Steps that `lightning_bam.training.pace` times, which loads torch."""
ARGUMENTS = (
    STUDIES,
    *SELECTION,
    *RUNS,
    points("--resolve", "how many seeds, or what power, a true difference of so much takes"),
    points("--sd", "with --resolve: sd of the paired differences (the median of finished rows)"),
    margin("with --resolve: "),
    *rule("plan by the rule that `bam run --until-resolved` would declare", ""),
    argument("--measure", action="store_true", help="train 20 steps of each row, and say how long the rest takes here"),
    argument("--devices", metavar="LIST", help="with --measure: as of `bam run` (all GPUs, else all cores)"),
    argument("--runs-per-device", type=RANKS, metavar="K", help="with --measure: K runs share a device (1)"),
    argument("--threads", type=RANKS, metavar="N", help="with --measure: torch threads of a run (1)"),
    JSON,
)


def execute(arguments: argparse.Namespace) -> int:
    """Print the plan of each study."""
    if arguments.resolve is None:
        for option in ("sd", "margin"):
            if getattr(arguments, option) is not None:
                raise StudyError(f"--{option}: goes with --resolve; give that, too")
    if not arguments.measure:
        for option in ("devices", "runs_per_device", "threads"):
            if getattr(arguments, option) is not None:
                raise StudyError(f"--{option.replace('_', '-')}: goes with --measure; give that, too")
    arguments.until_resolved = bool(arguments.until_resolved or arguments.looks or arguments.spending)
    plans = [plan(name, arguments) for name in arguments.study]
    if arguments.json:
        print(json_text(plans))
        return 0
    for one in plans:
        show(one)
    return 0


def plan(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the plan of one study as JSON data; hours are known once a run of the row has finished."""
    declared = select(name, arguments, keep=False)
    study = with_asked_rule(declared, arguments)
    records = records_of(study, arguments, keep=False)
    measured = _measured(records, arguments) if arguments.measure else None
    pace = hours_a_run(records) | (_device_hours(measured, arguments) if measured else {})
    beside = others(root_of(arguments), {study.label: {record.run.key for record in records}})[study.label]
    study = with_dropped(study, of_study(study, root_of(arguments), beside, ()))
    named = None if arguments.resolve is None else _forecast(study, declared, arguments, pace)
    costs = counts(study.rows)
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
    known = _known_seeds(study, arguments) if declared.stopping is None and study.stopping is not None else []
    n, looks = len(study.seed_list), _looks(study)
    least = looks[-1].resolves if looks else least_resolvable(1.0, n, comparisons=max(study.comparisons, 1))
    return {
        "study": study.label,
        "question": study.question,
        "seeds": n,
        "runs": len(records),
        "left": sum(record.state != "complete" for record in records),
        "least_resolvable_sd": round(least, 3) if n > 1 and study.comparisons else None,
        "stopping": None if study.stopping is None else str(study.stopping),
        "known_seeds": known,
        "first_seed": first_fresh(study, root_of(arguments), arguments.storage) if known else None,
        "looks": [asdict(look) for look in looks],
        "forecast": named,
        "earlier_code": dict(earlier_code(study.rows, beside)),
        "measured": None if measured is None else asdict(measured),
        "fixed": study.fixed(),
        "rows": rows,
    }


def _known_seeds(study: Study, arguments: argparse.Namespace) -> list[int]:
    """Return the seeds of a rule that is asked at which runs have begun: a rule for them would be made after a look."""
    records = gather_everywhere(study, root_of(arguments), arguments.storage, keep=False)
    return sorted({record.run.seed for record in begun_runs(records)})


def _measured(records: Sequence[Record], arguments: argparse.Namespace) -> Measured | None:
    where = slots(parse_devices(arguments.devices), 1, arguments.runs_per_device or 1)
    return measure(records, where, arguments.threads or 1)


def _device_hours(measured: Measured, arguments: argparse.Namespace) -> dict[str, float]:
    """Return the device-hours of a run of each row, as `hours_a_run` counts them: by its share of the device."""
    return {row: hours / (arguments.runs_per_device or 1) for row, hours in measured.hours_a_run.items()}


def _looks(study: Study) -> list[Look]:
    return looks_of(study.stopping, study.comparisons) if study.stopping is not None and study.comparisons else []


def _forecast(
    study: Study, declared: Study, arguments: argparse.Namespace, pace: Mapping[str, float]
) -> dict[str, Any]:
    """Return what becomes of the difference that is named; without --sd by the spread of finished rows."""
    if not study.comparisons:
        raise StudyError(f"--resolve: {study.label} has no row beside its baseline, so no difference")
    seen = []
    if arguments.sd is None:
        every = replace(declared, stopping=None)
        table = tabulate(records_of(every, arguments, keep=False), every)
        seen = [row.delta.sd for row in table.rows if row.delta is not None and row.delta.sd > 0]
        if not seen:
            raise StudyError(
                f"--resolve {arguments.resolve:g}: no row of {study.label} has two finished seeds paired with its "
                "baseline, which would tell the spread; give the sd of paired differences in points, as --sd 0.25"
            )
    found = forecast(study, arguments.resolve, arguments.sd or median(seen), pace)
    return asdict(found) | {"sd_of_rows": len(seen) or None}


def show(one: dict[str, Any]) -> None:
    """Print one plan."""
    console = Console()
    console.print(Text.assemble((one["study"], "bold"), f": {one['question']}"))
    headings = ["row", "params", "MACs", "done", "running", "failed", "to train", "device-hours left"]
    measured = one["measured"]
    table = grid(headings + ["images/s"] * bool(measured), text=("row",))
    for row in one["rows"]:
        states = Counter(row["states"])
        to_train = states["missing"] + states["interrupted"] + states["pruned"]
        numbers = (states["complete"], states["running"], states["failed"], to_train)
        hours = "not known yet" if row["device_hours_left"] is None else f"{row['device_hours_left']:.2g}"
        counted = (f"{row['params']:,}", f"{row['macs']:,}")
        images = measured["images_per_s"].get(row["row"]) if measured else None
        pace = [] if not measured else ["-"] if images is None else [f"{images:,.0f}"]
        table.add_row(row["row"], *counted, *(str(number or "-") for number in numbers), hours, *pace)
    console.print(table)
    if measured:
        console.print(
            f"measured here, {STEPS} steps a row: what is left takes about {spoken(measured['hours'])}, "
            f"{measured['at_once']} at a time, if the machine does nothing else",
            soft_wrap=True,
        )
    left = f"{one['left']} of {one['runs']} runs left"
    if one["stopping"] is not None:
        console.print(f"{left} until the next look; {one['stopping']}")
        if seeds := one["known_seeds"]:
            console.print(
                f"`bam run` refuses this rule: runs have begun at seed{'s' * (len(seeds) > 1)} "
                f"{', '.join(map(str, seeds))}; ask fresh ones with --first-seed {one['first_seed']}"
            )
        for look in [] if one["forecast"] else one["looks"]:
            console.print(str(Look(**look)))
    elif one["least_resolvable_sd"] is None:
        why = "one seed tells no difference" if one["seeds"] == 1 else "no row to compare with the baseline"
        console.print(f"{left}; {why}")
    else:
        resolvable = f"{one['seeds']} seeds resolve {one['least_resolvable_sd']} sd of paired differences"
        console.print(f"{left}; {resolvable} (80 % power, 5 % over all rows)")
    if one["forecast"] is not None:
        _show_forecast(one["forecast"], console)
    if one["earlier_code"]:
        rows = ", ".join(f"{row} {number}" for row, number in one["earlier_code"].items())
        console.print(
            f"trained with earlier code: {rows}; these runs keep their keys, and the present code trains anew"
        )
    console.print(f"fixed: {fixed_facts(one['fixed'])}")


def spoken(hours: float) -> str:
    """Write a time as `40 s`, `12 min`, `3.4 h` or `5.1 days`."""
    for limit, unit, name in ((1 / 60, 1 / 3600, "s"), (1, 1 / 60, "min"), (48, 1, "h")):
        if hours < limit:
            return f"{max(hours / unit, 1):.{int(name == 'h')}f} {name}"
    return f"{hours / 24:.1f} days"


def _show_forecast(one: dict[str, Any], console: Console) -> None:
    """Print what becomes of the difference that is named."""
    source = f", the median of {one['sd_of_rows']} finished rows" if one["sd_of_rows"] else ""
    named = f"a true difference of {one['resolve']:g} points ({one['resolve'] / one['sd']:.2g} sd of paired differences"
    named += f", which is {one['sd']:.3g} points{source})"
    cost = "" if one["hours"] is None else f", about {one['hours']:.2g} device-hours"
    if "looks" not in one:
        seeds = f"more than {MOST_SEEDS:,} seeds" if one["seeds"] is None else f"{one['seeds']} seeds{cost}"
        own = "" if one["power"] is None else f"; the study's own have {100 * one['power']:.0f} %"
        console.print(f"to resolve {named} in 80 %: {seeds}{own}", soft_wrap=True)
        if one["margin"] is not None:
            same = one["seeds_equivalent"]
            same = f"more than {MOST_SEEDS:,}" if same is None else same
            console.print(
                f"to call a row that is no different equivalent within ±{one['margin']:g} in 80 %: {same} seeds"
            )
        return
    equivalent = one["margin"] is not None
    console.print(f"of {one['simulated']:,} simulated rows with {named}:", soft_wrap=True)
    headings = ["look at", "least Δ", "stop here", "resolved by then"]
    table = grid(headings + ["equivalent, if alike"] * equivalent)
    for look in one["looks"]:
        shares = [look["stops"], look["by_then"]] + [look["equivalent"]] * equivalent
        table.add_row(f"{look['seeds']} seeds", f"{look['meets']:.3g}", *(f"{100 * share:.1f} %" for share in shares))
    console.print(table)
    mean = f"{one['seeds']:.1f} seeds a row on average, {one['seeds_if_none']:.1f} if it is no different"
    console.print(f"{mean}{cost.replace('about', 'at most')}", soft_wrap=True)
