"""The command line, described without loading anything that it leads to."""

import argparse
import difflib
import os
import re
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final, NoReturn

from analysis.cli.arguments import LACKING, joined

VERBS: Final = {
    "help": "the manual: its topics, or one of them",
    "quickstart": "a small real study on embedded data and its table; minutes on two cores",
    "studies": "the catalogue: questions, rows, presets, the paper's table, what was found",
    "new": "a study file to begin with: an attention module of your own, a network, a dataset or a task",
    "plan": "rows x seeds, what is done, params, MACs, device-hours; writes nothing",
    "run": "train what is missing",
    "search": "look for the best configuration on held-out data, with Optuna",
    "worker": "train runs of a study beside other workers, here or on other hosts, until it is finished",
    "submit": "put workers for a study into Slurm's queue",
    "seeds": "which rows are open, how many seeds would close them, and what those cost",
    "list": "every study that the runs folder knows, where it stands, and the command for its table",
    "status": "where the runs of a study stand",
    "table": "the conclusions",
    "methods": "a paragraph for a paper's method section, and answers to its checklist, from the records",
    "plot": "the conclusions as figures: PNG, SVG or PDF",
    "report": "the conclusions as one web page: verdict, table, plots, power, provenance, every run",
    "factors": "each factor by itself: levels compared, trends; of a factorial study also its analysis of variance",
    "explain": "the runs behind a row: seeds, attempts, commits, logs, and why one failed",
    "diff": "two runs side by side: configuration, environment, figures, epochs",
    "logs": "what a run has printed",
    "rm": "remove runs, with what W&B has recorded of them here",
    "verify": "whether run folders are what the trainings left, and a written table follows from them",
    "reproduce": "one run trained again and compared, epoch by epoch",
    "bundle": "a study's runs, table, versions and hashes in one file, for a paper's artefact",
    "doctor": "what is wrong with this machine or its runs folder, and what mends it",
    "cost": "params and MACs of a configuration, without training",
    "inspect": "what the modules of a trained run look at: maps, saturation, receptive field",
    "export": "a trained network as a file for others: state dict, torchvision's, the authors', a program",
    "import-checkpoint": "a checkpoint of the authors' code as a model folder",
}
"""Every verb and what it does; `analysis.cli.verbs.<verb>` has its arguments and does it."""


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line, with the nearest name."""

    def error(self, message: str) -> NoReturn:
        """Leave with exit code 2."""
        if match := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            from lightning_bam.config import nearest

            hint = nearest(match[1], re.findall(r"[\w-]+", match[2]))
            message = f"{message.split(':', maxsplit=1)[0]}: {match[1]!r} is not known; {hint}"
        self.exit(2, f"{self.prog}: {message}\n")

    def verbs(self) -> dict[str, "Verb"]:
        """Return the parser of each verb by its name."""
        kinds = (action.choices for action in self._actions if isinstance(action.choices, dict))
        return {name: verb for choices in kinds for name, verb in choices.items()}


class Verb(Parser):
    """A verb's parser, which imports the verb only when it is called."""

    has_arguments = False

    def add_arguments(self) -> None:
        """Add the verb's arguments, unless they are there."""
        if self.has_arguments:
            return
        self.has_arguments = True
        module = import_module(f"analysis.cli.verbs.{self.prog.split()[-1].replace('-', '_')}")
        root = os.environ.get("BAM_ROOT") or "runs"
        self.set_defaults(**LACKING, execute=module.execute, root=root, usual_root=root)
        for names, options in module.ARGUMENTS:
            self.add_argument(*names, **options)

    def arguments(self) -> list[argparse.Action]:
        """Return the arguments that it has."""
        return list(self._actions)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the verb's arguments, then parse."""
        self.add_arguments()
        parsed, unknown = super().parse_known_args(joined(args), namespace)
        if options := [word.partition("=")[0] for word in unknown if word.startswith("-")]:
            close = difflib.get_close_matches(options[0], self._option_string_actions, n=1, cutoff=0.7)
            hint = f"did you mean {close[0]}?" if close else f"`{self.prog} --help` lists those that are"
            self.error(f"{options[0]} is no option of it; {hint}")
        if unknown:
            several = any(action.nargs in ("*", "+") for action in self._actions if not action.option_strings)
            hint = "; name what has no -- side by side" if several else ""
            self.error(f"{unknown[0]!r} is one word too many{hint}")
        return parsed, unknown


def make_parser() -> Parser:
    """Return the parser of `bam`."""
    parser = Parser(
        prog="bam",
        description="Ablation studies of attention modules: ask with seeds, read intervals.",
        epilog="`bam VERB --help` has the options of a verb, `bam help` the topics of the manual.",
    )
    parser.add_argument("--version", action="version", version=f"lightning-bam {version('lightning-bam')}")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=Verb)
    for name, purpose in VERBS.items():
        verbs.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
    return parser
