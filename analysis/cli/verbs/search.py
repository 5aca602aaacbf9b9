"""`bam search`: look for the best configuration on held-out data."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import closing
from typing import Any

from rich.table import Table

from analysis.cli.argument_types import checked, positive, up_to, whole
from analysis.cli.parser import add_devices, add_root, add_set, add_storage
from analysis.cli.selection import root_of
from analysis.cli.verbs.run import options_of
from analysis.formats.json_text import json_text
from studies.definition.limits import MOST_SEEDS
from studies.engine.progress import LiveView
from studies.library import find_space
from studies.search.confirm import confirmation
from studies.search.method import Method
from studies.search.pruners import PRUNERS
from studies.search.run_search import best, run_search
from studies.search.samplers import SAMPLERS
from studies.search.search import Search
from studies.search.study_file import commands, write
from studies.search.trials import FAILED_BEFORE, RUN_FAILED, counted, troubles
from studies.terminal.console import Console
from studies.terminal.text import one_line

TOLD = 5
"""Reasons that are told one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("space", help="a name such as bam, or a Python file that defines SPACE")
    parser.add_argument("--preset", metavar="NAME", help="another scale, as `small`")
    number = checked(positive, "a number from 1 up")
    parser.add_argument(
        "--trials", type=number, metavar="N", help="trials in all, earlier ones too (30; with brute, all there are)"
    )
    parser.add_argument("--sampler", choices=SAMPLERS, default="tpe", help=_choices(SAMPLERS, "tpe"))
    parser.add_argument("--pruner", choices=PRUNERS, help=_choices(PRUNERS, "median, or none where it cannot be"))
    parser.add_argument(
        "--seed", type=checked(whole, "a whole number from 0 up"), default=0, metavar="S", help="of the sampler (0)"
    )
    parser.add_argument(
        "--seeds", type=up_to(MOST_SEEDS), default=1, metavar="K", help="runs of each configuration (1)"
    )
    parser.add_argument("--confirm", type=number, metavar="N", help="write a study of the N best, with fresh seeds")
    parser.add_argument("--retry", choices=("failed",), help="train failed runs again, too")
    add_set(parser)
    add_root(parser)
    add_storage(parser)
    add_devices(parser)
    parser.add_argument("--json", action="store_true", help="the best trials as JSON")


def _choices(known: dict[Any, str], default: str) -> str:
    return "; ".join(f"{name}: {purpose}" for name, purpose in known.items()) + f" ({default})"


def execute(arguments: argparse.Namespace) -> int:
    """Search, then print the best trials, and write the study that confirms them where asked."""
    space = find_space(arguments.space)
    if arguments.preset is not None:
        space = space.at(arguments.preset)
    space = space.override(dict(arguments.set))
    method = Method(
        sampler=arguments.sampler,
        pruner=arguments.pruner,
        trials=arguments.trials,
        seed=arguments.seed,
        seeds=arguments.seeds,
    )
    search = Search(
        root_of(arguments),
        space,
        method,
        arguments.storage,
        patient=arguments.confirm is not None,
        again=arguments.retry is not None,
    )
    with closing(search):
        with LiveView() as view:
            progress = run_search(search, options_of(arguments), view)
        if arguments.json:
            print(json_text(as_json(search)))
        else:
            show(search)
        seeds = "one seed" if method.seeds == 1 else f"{method.seeds} seeds"
        print(
            f"{search.label}: {len(progress.pruned)} pruned and {len(progress.finished)} finished now; selected on a "
            f"held-out part of train with {seeds}: confirm a winner with a study before you report it (--confirm N)",
            file=sys.stderr,
        )
        complain(search)
        if progress.halted:
            print(f"bam: {one_line(progress.halted)}", file=sys.stderr)
        elif arguments.confirm:
            confirm(search, arguments.confirm)
    return 1 if progress.failed or progress.halted or search.troubles else 0


def complain(search: Search) -> None:
    """Say which trials gave nothing, and why."""
    found = troubles(search.optuna.get_trials(deepcopy=False)).most_common()
    for why, count in found[:TOLD]:
        advice = "; --retry failed trains it again" if why in (RUN_FAILED, FAILED_BEFORE) else ""
        told = one_line(f"{count} trial{'s' if count > 1 else ''} without a figure: {why}{advice}")
        print(f"bam: {told}", file=sys.stderr)
    if len(found) > TOLD:
        rest = sum(count for _, count in found[TOLD:])
        print(f"bam: {rest} trials without a figure for {len(found) - TOLD} other reasons", file=sys.stderr)


def confirm(search: Search, count: int) -> None:
    """Write a study of the best configurations, and say how to run it."""
    values = [trial.params for trial in best(search, count)]
    if len(values) < count:
        kind = "on the front" if len(search.optuna.directions) > 1 else "complete"
        print(f"bam: --confirm {count}: only {len(values)} configurations are {kind}", file=sys.stderr)
    study = confirmation(search.space, values, search.method.seeds, search.label)
    path = write(study, search.root, found_by(search))
    print(f"wrote {path}; now: {commands(path, search.root)}", file=sys.stderr)


def found_by(search: Search) -> str:
    """Return the search with the number of its trials, by sampler and pruner."""
    trials = list(counted(search.optuna.get_trials(deepcopy=False)))
    by = Counter(str(trial.user_attrs.get("by", "an older version")) for trial in trials)
    return f"{search.label} ({len(trials)} trials: {'; '.join(f'{count} by {how}' for how, count in by.most_common())})"


def as_json(search: Search) -> list[dict[str, Any]]:
    """Return the best trials, or the whole front, as JSON data."""
    figure = f"held_out_{search.metric.name}"
    return [
        dict(zip((figure, "macs"), trial.values, strict=False)) | trial.params | {"key": trial.user_attrs["key"]}
        for trial in listed(search)
    ]


def listed(search: Search) -> list[Any]:
    """Return the five best trials, or with two objectives every one that no other beats in both."""
    return best(search) if len(search.optuna.directions) == 1 else best(search, search.proposals.trials)


def show(search: Search) -> None:
    """Print the best trials, each with those of its knobs that play a part."""
    table = Table(box=None, pad_edge=False, header_style="bold", title=search.space.question, title_justify="left")
    table.add_column(f"held-out {search.metric.label}", justify="right")
    if len(search.optuna.directions) > 1:
        table.add_column("MACs (M)", justify="right")
    table.add_column("configuration", overflow="fold")
    table.add_column("run", no_wrap=True)
    for trial in listed(search):
        figures = [f"{trial.values[0]:.2f}", *(f"{macs / 1e6:.3f}" for macs in trial.values[1:])]
        label = search.space.label(search.space.configuration(trial.params))
        table.add_row(*figures, label, trial.user_attrs["key"])
    Console().print(table)
