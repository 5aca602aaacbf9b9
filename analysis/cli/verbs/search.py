"""`bam search`: look for the best configuration on held-out data."""

import argparse
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from analysis.cli.arguments import DEVICES, FORMS, JSON, PRESET, RETRY, RUNS, SET, argument, checked, number
from analysis.cli.output import grid, output_folder, write_figures
from analysis.cli.selection import existing_root, root_of
from analysis.cli.tracking import tell_unsent_runs
from analysis.cli.verbs.run import options_of
from analysis.formats.json_text import json_text
from studies.definition.limits import MOST_SEEDS
from studies.engine.progress import LiveView
from studies.errors import StudyError
from studies.library import find_space
from studies.search.begun import Begun, begun
from studies.search.confirm import confirmation
from studies.search.method import Method
from studies.search.pruners import PRUNERS
from studies.search.run_search import best, run_search
from studies.search.samplers import SAMPLERS
from studies.search.search import Search
from studies.search.space import Space
from studies.search.study_file import commands, write
from studies.search.trials import FAILED_BEFORE, RUN_FAILED, counted, troubles
from studies.terminal.console import Console
from studies.terminal.text import one_line
from studies.workers.aside import Aside

VIEW_LIMIT = 60.0
"""Seconds that a W&B server has for the view of a search."""


def _choices(purposes: dict[Any, str], default: str) -> str:
    return "; ".join(f"{name}: {purpose}" for name, purpose in purposes.items()) + f" ({default})"


STATES = ("complete", "pruned", "running", "failed")
ARGUMENTS = (
    argument("space", help="a name such as bam, or a Python file that defines SPACE"),
    PRESET,
    argument(
        "--trials", type=number(1), metavar="N", help="trials in all, earlier ones too (30; with brute, all there are)"
    ),
    argument("--sampler", choices=SAMPLERS, default="tpe", help=_choices(SAMPLERS, "tpe")),
    argument("--pruner", choices=PRUNERS, help=_choices(PRUNERS, "median, or none where it cannot be")),
    argument(
        "--seed",
        type=checked(int, "a whole number from 0 up", lambda seed: seed >= 0),
        default=0,
        metavar="S",
        help="of the sampler (0)",
    ),
    argument("--seeds", type=number(1, MOST_SEEDS), default=1, metavar="K", help="runs of each configuration (1)"),
    argument("--confirm", type=number(1), metavar="N", help="write a study of the N best, with fresh seeds"),
    argument("--status", action="store_true", help="only say how the search stands"),
    argument(
        "--plot",
        choices=FORMS,
        nargs="?",
        const="png",
        help="only draw how the search stands (png): held-out figures by trial, importance of knobs, error and MACs",
    ),
    argument("-o", "--output", metavar="DIR", help="with --plot: write there (plots)"),
    RETRY,
    SET,
    *RUNS,
    *DEVICES,
    JSON,
)


def execute(arguments: argparse.Namespace) -> int:
    """Search, then print the best trials, and write the study that confirms them where asked."""
    space = find_space(arguments.space)
    if arguments.preset is not None:
        space = space.at(arguments.preset)
    space = space.override(dict(arguments.set))
    method = Method(**{name: getattr(arguments, name) for name in ("sampler", "pruner", "trials", "seed", "seeds")})
    if arguments.output is not None and arguments.plot is None:
        raise StudyError(f"--output {arguments.output}: says where --plot writes; give --plot, too")
    for looks, only in (("status", status), ("plot", plot)):
        if getattr(arguments, looks):
            refuse_changes(looks, arguments)
            return only(space, method, arguments)
    wait_for_others, again = arguments.confirm is not None, arguments.retry is not None
    search = Search(root_of(arguments), space, method, arguments.storage, wait_for_others=wait_for_others, again=again)
    with closing(search):
        options = options_of(arguments)
        with LiveView() as view:
            progress = run_search(search, options, view)
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
        for why, count in troubles(search.optuna.get_trials(deepcopy=False)).most_common():
            advice = "; --retry failed trains it again" if why in (RUN_FAILED, FAILED_BEFORE) else ""
            line = one_line(f"{count} trial{'s' if count > 1 else ''} without a figure: {why}{advice}")
            print(f"bam: {line}", file=sys.stderr)
        if progress.halted:
            print(f"bam: {one_line(progress.halted)}", file=sys.stderr)
        elif arguments.confirm:
            confirm(search, arguments.confirm)
        show_sweep(search)
        if options.wandb != "off":
            tell_unsent_runs({cell.run.key for cell in search.begun_cells()}, search.root, options.wandb)
    return 1 if progress.failed or progress.halted or search.troubles else 0


def show_sweep(search: Search) -> None:
    """Save the view in W&B of a search whose runs are in a sweep; a line says where both are, or what is missing."""
    if search.sweep is None:
        return
    from analysis.review.saved import save_search
    from analysis.review.view import search_workspace

    told = f"W&B: {search.label} as a sweep: {search.sweep.url}"
    home = search.sweep.home
    try:
        view = search_workspace(search.space, search.label, "", "")
        with Aside(VIEW_LIMIT) as wandb:
            told += f"; its view: {wandb.ask(save_search, view, search.label, home.entity, home.project)}"
    except StudyError as error:
        told += f"; {error}"
    print(f"bam: {one_line(told)}", file=sys.stderr)


def refuse_changes(looks: str, arguments: argparse.Namespace) -> None:
    """Raise a StudyError where another option would change the search, or look at it otherwise, beside `--looks`."""
    for option in ("confirm", "retry"):
        if getattr(arguments, option) is not None:
            raise StudyError(f"--{option}: changes the search, and --{looks} only looks; leave one of them out")
    if arguments.status and arguments.plot:
        raise StudyError("--status --plot: give one of them")


def plot(space: Space, method: Method, arguments: argparse.Namespace) -> int:
    """Write the figures of a search, and change nothing of it; 2 where there is none."""
    folder = output_folder(arguments.output, Path("plots"))
    with begun(existing_root(arguments), space, method, arguments.storage) as search:
        from analysis.plots.search import search_plots

        any_written, missing = write_figures(
            "bam search", search_plots(search), folder, search.label, arguments.plot, as_json=arguments.json
        )
    print(*missing, sep="\n", end="\n" * bool(missing), file=sys.stderr)
    return 0 if any_written else 2


def status(space: Space, method: Method, arguments: argparse.Namespace) -> int:
    """Print how many trials there are and the best ones, and change nothing."""
    with begun(existing_root(arguments), space, method, arguments.storage) as search:
        states = search.states()
        if arguments.json:
            print(json_text({"search": search.label, "trials": dict(states), "best": as_json(search)}))
            return 0
        numbers = ", ".join(f"{states[name]} {name}" for name in STATES if states[name]) or "none yet"
        Console().print(one_line(f"{search.label}: {states.total()} trials: {numbers}"), soft_wrap=True)
        if states["complete"]:
            show(search)
        for why, count in troubles(search.optuna.get_trials(deepcopy=False)).most_common():
            Console().print(one_line(f"without a figure: {count}, {why}"), soft_wrap=True)
    return 0


def confirm(search: Search, count: int) -> None:
    """Write a study of the best configurations, and say how to run it."""
    values = [trial.params for trial in best(search, count)]
    if len(values) < count:
        kind = "on the front" if len(search.optuna.directions) > 1 else "complete"
        print(f"bam: --confirm {count}: only {len(values)} configurations are {kind}", file=sys.stderr)
    study = confirmation(search.space, values, search.method.seeds, search.label)
    path = write(study, search.root, provenance(search))
    print(f"wrote {path}; now: {commands(path, search.root)}", file=sys.stderr)


def provenance(search: Search | Begun) -> str:
    """Return the search with the number of its trials, by sampler and pruner."""
    trials = list(counted(search.optuna.get_trials(deepcopy=False)))
    by = Counter(str(trial.user_attrs.get("by", "an older version")) for trial in trials)
    return f"{search.label} ({len(trials)} trials: {'; '.join(f'{count} by {how}' for how, count in by.most_common())})"


def as_json(search: Search | Begun) -> list[dict[str, Any]]:
    """Return the best trials, or the whole front, as JSON data."""
    figure = f"held_out_{search.metric.name}"
    return [
        dict(zip((figure, "macs"), trial.values, strict=False)) | trial.params | {"key": trial.user_attrs["key"]}
        for trial in best_trials(search)
    ]


def best_trials(search: Search | Begun) -> list[Any]:
    """Return the five best trials, or with two objectives every one that no other beats in both."""
    return best(search) if len(search.optuna.directions) == 1 else best(search, search.trials)


def show(search: Search | Begun) -> None:
    """Print the best trials, each with those of its knobs that play a part."""
    macs = ["MACs (M)"] if len(search.optuna.directions) > 1 else []
    table = grid([f"held-out {search.metric.label}", *macs, "configuration", "run"], text=("configuration",))
    table.columns[-1].no_wrap = True
    for trial in best_trials(search):
        figures = [f"{trial.values[0]:.2f}", *(f"{macs / 1e6:.3f}" for macs in trial.values[1:])]
        label = search.space.label(search.space.configuration(trial.params))
        table.add_row(*figures, label, trial.user_attrs["key"])
    console = Console()
    console.print(search.space.question)
    console.print(table)
