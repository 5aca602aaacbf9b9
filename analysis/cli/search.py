"""`bam search`: look for the best configuration on held-out data."""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console
from rich.table import Table

from analysis.cli.parser import add_devices, add_root, add_set, checked, positive
from analysis.cli.run import options_of
from analysis.cli.selection import root_of
from studies.load import find_space
from studies.search import Search, run_search
from studies.view import LiveView


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("space", help="a name such as bam, or a Python file that defines SPACE")
    parser.add_argument("--preset", metavar="NAME", help="another scale, as `small`")
    number = checked(positive, "a number of trials from 1 up")
    parser.add_argument("--trials", type=number, default=30, metavar="N", help="trials in all, earlier ones too (30)")
    add_set(parser)
    add_root(parser)
    add_devices(parser)
    parser.add_argument("--json", action="store_true", help="the best trials as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Search, then print the best trials."""
    space = find_space(arguments.space)
    if arguments.preset:
        space = space.at(arguments.preset)
    space = space.override(dict(arguments.set))
    search = Search(root_of(arguments), space, arguments.trials)
    with LiveView() as view:
        progress = run_search(search, options_of(arguments), view)
    best = search.best()
    if arguments.json:
        print(json.dumps([{"held_out_error": t.value, **t.params, **t.user_attrs} for t in best], indent=1))
    else:
        table = Table(box=None, pad_edge=False, header_style="bold", title=space.question, title_justify="left")
        for column in ("held-out error %", *space.choices, "run"):
            table.add_column(column.rpartition(".")[2], no_wrap=True)
        for trial in best:
            values = (str(trial.params[name]) for name in space.choices)
            table.add_row(f"{trial.value:.2f}", *values, trial.user_attrs["key"])
        Console(highlight=False).print(table)
    print(
        f"{search.label}: {len(progress.pruned)} pruned and {len(progress.finished)} finished now; selected on a "
        "held-out fifth of train with one seed: confirm a winner with a study before you report it",
        file=sys.stderr,
    )
    return 1 if progress.failed else 0
