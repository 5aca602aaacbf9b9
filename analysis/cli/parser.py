"""The command line, described without loading anything that it leads to."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final, NoReturn

from analysis.cli.argument_types import checked, points, setting, up_to
from studies.definition.limits import MOST_RANKS, MOST_SEEDS

VERBS: Final = {
    "quickstart": "a small real study on embedded data and its table; minutes on two cores",
    "studies": "the catalogue: name, question, rows, runs, the paper's table",
    "plan": "rows x seeds, what is done, params, MACs, device-hours; writes nothing",
    "run": "train what is missing",
    "search": "look for the best configuration on held-out data, with Optuna",
    "worker": "train runs of a study beside other workers, here or on other hosts, until it is finished",
    "submit": "put workers for a study into Slurm's queue",
    "seeds": "which rows are open, how many seeds would close them, and what those cost",
    "status": "where the runs of a study stand",
    "table": "the conclusions",
    "plot": "the conclusions as figures: PNG, SVG or PDF",
    "report": "the conclusions as one web page: verdict, table, plots, power, provenance, every run",
    "factors": "a factorial study taken apart: analysis of variance, marginal means, importance",
    "explain": "the runs behind a row: seeds, attempts, commits, logs, and why one failed",
    "verify": "whether run folders are what the trainings left, and a written table follows from them",
    "reproduce": "one run trained again and compared, epoch by epoch",
    "bundle": "a study's runs, table, versions and hashes in one file, for a paper's artefact",
    "doctor": "what is wrong with this machine or its runs folder, and what mends it",
    "cost": "params and MACs of a configuration, without training",
    "inspect": "what the modules of a trained run look at: maps, saturation, receptive field",
    "export": "a trained network as a file for others: state dict, torchvision's, the authors', a program",
    "import-checkpoint": "a checkpoint of the authors' code as a model folder",
}
"""Every verb and what it does; `analysis.cli.<verb>` adds its arguments and does it."""


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line, with the nearest name."""

    def error(self, message: str) -> NoReturn:
        """Leave with exit code 2."""
        if match := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            wrong, known = match.group(1), re.findall(r"[\w-]+", match.group(2))
            close = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
            message = f"{message.split(':', maxsplit=1)[0]}: {wrong!r} is not known; {hint}"
        self.exit(2, f"{self.prog}: {message}\n")


class Verb(Parser):
    """A verb's parser, which imports the verb only when it is the one asked for."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Let the verb add its arguments, then parse."""
        module = import_module(f"analysis.cli.verbs.{self.prog.split()[-1].replace('-', '_')}")
        module.add_arguments(self)
        self.set_defaults(execute=module.execute)
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._refuse(unknown)
        return found, unknown

    def _refuse(self, unknown: list[str]) -> NoReturn:
        """Leave with exit code 2, saying of the first unknown option what is like it here."""
        wrong = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
        if wrong is None:
            several = any(not action.option_strings and action.nargs in ("+", "*") for action in self._actions)
            apart = "stands apart; name what has no -- side by side, before or after the options"
            self.error(f"{unknown[0]!r} {apart if several else 'is one word too many'}")
        options = [name[2:] for action in self._actions for name in action.option_strings if name.startswith("--")]
        close = difflib.get_close_matches(wrong.lstrip("-"), options, n=1)
        hint = f"did you mean --{close[0]}?" if close else f"`{self.prog} --help` lists those that are"
        self.error(f"{wrong} is no option of it; {hint}")


def make_parser() -> Parser:
    """Return the parser of `bam`."""
    parser = Parser(prog="bam", description="Ablation studies of attention modules: ask with seeds, read intervals.")
    parser.add_argument("--version", action="version", version=f"lightning-bam {version('lightning-bam')}")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=Verb)
    for name, purpose in VERBS.items():
        verbs.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
    return parser


def add_root(parser: argparse.ArgumentParser) -> None:
    """Add --root, and in `usual_root` what it is for who names none."""
    default = os.environ.get("BAM_ROOT") or "runs"
    parser.set_defaults(usual_root=default)
    parser.add_argument("--root", default=default, metavar="DIR", help=f"the runs folder (env BAM_ROOT; {default})")


class Storage(argparse.Action):
    """--storage as somebody typed it: every user of the machine can read a password there."""

    def __call__(self, _parser: Any, namespace: argparse.Namespace, values: Any, _option: str | None = None) -> None:
        """Warn of a password, and take it out of `sys.argv`, which W&B records and other processes get."""
        from studies.storage.postgres import hide_password  # loads SQLAlchemy

        setattr(namespace, self.dest, values)
        if (safe := hide_password(values)) != values:
            sys.argv = [word.replace(values, safe) for word in sys.argv]
            mend = "put it into ~/.pgpass, or the address into BAM_STORAGE"
            print(f"bam: --storage {safe}: other users can read the password in `ps`; {mend}", file=sys.stderr)


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Add --storage."""
    parser.add_argument(
        "--storage",
        action=Storage,
        default=os.environ.get("BAM_STORAGE") or None,
        metavar="URL",
        help="postgresql://user@host/database, between hosts (env BAM_STORAGE; the journal under --root)",
    )


def add_studies(parser: argparse.ArgumentParser) -> None:
    """Add which studies to conclude from, by which margin, and where their runs are; see `selection.chosen`."""
    parser.add_argument("study", nargs="*", help="a name of the catalogue, or a Python file that defines STUDY")
    parser.add_argument("--all", action="store_true", help="every study of the catalogue")
    add_selection(parser)
    add_margin(parser)
    add_root(parser)
    add_storage(parser)


def add_selection(parser: argparse.ArgumentParser, *, presets: bool = True) -> None:
    """Add what picks and changes a study: --preset (where one may have `presets`), --set, --only, --seeds."""
    if presets:
        parser.add_argument("--preset", metavar="NAME", help="another scale, as `small`")
    else:
        parser.set_defaults(preset=None)
    add_set(parser)
    pair = checked(setting, "name=value, as in attention.combine=sum")
    parser.add_argument(
        "--only",
        type=pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="these rows (row=LABEL or a knob), the baseline",
    )
    parser.add_argument("--seeds", type=up_to(MOST_SEEDS), metavar="N", help="N seeds, the study's own first")


def add_margin(parser: argparse.ArgumentParser, when: str = "") -> None:
    """Add --margin, for verbs that conclude something."""
    parser.add_argument(
        "--margin",
        type=checked(points, "percentage points above 0 and below 100, as 0.3"),
        metavar="POINTS",
        help=f"{when}a difference too small to matter, chosen before looking: rows can then be equivalent",
    )


def add_set(parser: argparse.ArgumentParser) -> None:
    """Add --set."""
    pair = checked(setting, "name=value, as in recipe.epochs=30")
    parser.add_argument(
        "--set", type=pair, action="append", default=[], metavar="NAME=VALUE", help="override, as recipe.epochs=30"
    )


def add_tracking(parser: argparse.ArgumentParser) -> None:
    """Add what W&B is told."""
    parser.add_argument("--wandb", choices=("off", "offline", "online"), help="W&B (online if logged in, else offline)")
    parser.add_argument(
        "--wandb-monitor", choices=("on", "off"), default="on", help="W&B's system metrics and console log, too (on)"
    )


def add_devices(parser: argparse.ArgumentParser) -> None:
    """Add where to train and how to track it."""
    parser.add_argument(
        "--devices", metavar="LIST", help="GPUs as 0,1 or CPU ranks as cpu:2 (all GPUs, else all cores)"
    )
    number = up_to(MOST_RANKS)
    parser.add_argument("--devices-per-run", type=number, default=1, metavar="N", help="train each run with DDP over N")
    parser.add_argument("--runs-per-device", type=number, default=1, metavar="K", help="K runs share a device (1)")
    parser.add_argument("--threads", type=number, default=1, metavar="N", help="torch threads of a rank (1)")
    add_tracking(parser)
