"""Studies whose seeds follow a stopping rule, as `bam run` and `bam worker` train them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from analysis.cli.argument_types import checked, rising, whole
from analysis.cli.parser import add_margin
from analysis.cli.selection import gathered, root_of, selected
from analysis.planning.rounds import Round, until_resolved
from studies.coordination.sync import gather_everywhere
from studies.definition.stopping import Stopping
from studies.definition.study import Study
from studies.errors import StudyError
from studies.stopping_rules.declaration import declare

Run = Callable[[Study, argparse.Namespace], int]
"""Trains what is missing of a study; 0 where every run of it has a result."""


def add_rule(parser: argparse.ArgumentParser) -> None:
    """Add what makes seeds follow a stopping rule."""
    parser.add_argument(
        "--until-resolved",
        action="store_true",
        help="give seeds by a stopping rule, declared before the first result, until every row is resolved",
    )
    parser.add_argument(
        "--looks",
        type=checked(rising, "numbers of seeds that rise from 2 up, as 4,8,12"),
        metavar="N,N,...",
        help="with --until-resolved: seeds in hand at each look (4,8,12,16)",
    )
    parser.add_argument(
        "--first-seed",
        type=checked(whole, "a seed from 0 up"),
        metavar="S",
        help="with --until-resolved: the first of the seeds (the study's own first)",
    )
    add_margin(parser, "with --until-resolved: ")


def chosen(arguments: argparse.Namespace) -> list[Study]:
    """Return the studies to be trained, those whose seeds follow a stopping rule with the rule declared.

    Raises:
        StudyError: a rule that cannot be declared any more, or one for a part of a study.

    """
    found = []
    for name in arguments.study:
        study = selected(name, arguments)
        if study.stopping is None:
            study = _with_rule(study, arguments)
        elif arguments.looks not in (None, study.stopping.looks):
            looks = ",".join(map(str, arguments.looks))
            raise StudyError(f"--looks {looks}: {study.label} has its rule: {study.stopping}; leave --looks out")
        elif arguments.first_seed not in (None, study.seed_list[0]):
            begun = f"{study.label} has its rule, whose seeds begin at {study.seed_list[0]}"
            raise StudyError(f"--first-seed {arguments.first_seed}: {begun}; leave --first-seed out")
        if study.stopping is not None:
            if arguments.only:
                raise StudyError(f"--only: {study.label} follows a stopping rule, which is for all of its rows")
            records = gather_everywhere(study, root_of(arguments), arguments.storage)
            study = declare(study, root_of(arguments), records, arguments.storage)
        found.append(study)
    return found


def _with_rule(study: Study, arguments: argparse.Namespace) -> Study:
    """Return a study that has no rule with the one that is asked for, if one is."""
    if not arguments.until_resolved:
        for option in ("looks", "first_seed", "margin"):
            if getattr(arguments, option) is not None:
                raise StudyError(f"--{option.replace('_', '-')}: goes with --until-resolved; give that, too")
        return study
    if arguments.seeds:
        raise StudyError(f"--seeds {arguments.seeds}: with --until-resolved the rule says how many; use --looks")
    rule = Stopping(looks=arguments.looks) if arguments.looks else Stopping()
    return study.stopping_by(rule, arguments.first_seed)


def train(study: Study, arguments: argparse.Namespace, run: Run) -> int:
    """Train what is missing of one study, or by its stopping rule; returns 1 where some run has no result."""
    if study.stopping is None:
        return run(study, arguments)
    print(f"bam: {study.label}: {study.stopping}, over {study.comparisons} comparisons", file=sys.stderr)

    def one(asked: Round) -> bool:
        print(f"bam: {asked.seeds} seeds for {', '.join(asked.open)}", file=sys.stderr)
        return run(asked.study, arguments) == 0

    _, resolved = until_resolved(study, lambda: gathered(study, arguments), one)
    return 0 if resolved else 1
