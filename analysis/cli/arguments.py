"""Arguments as data: those that several verbs share, and what turns an argument's text into what it means."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, get_args

from studies.definition.limits import MOST_LOOKED, MOST_RANKS, MOST_SEEDS

T = TypeVar("T")
Argument = tuple[tuple[str, ...], dict[str, Any]]

LACKING: Final = {
    **dict.fromkeys(("preset", "seeds", "margin", "until_resolved", "looks", "spending", "spare", "first_seed")),
    **dict.fromkeys(("storage", "retry", "source", "variant")),
    **{"set": [], "only": [], "nodes_per_run": 1, "findings": False},
}
"""What a call of a verb that lacks one of these arguments asks."""


LISTS: Final = ("--looks", "--devices")
"""Options that take a list of numbers, which may also be typed with blanks, as `--looks 4 8, 12`."""
UNITS: Final = {
    **dict.fromkeys(("s", "sec", "seconds"), 1 / 3600),
    **dict.fromkeys(("m", "min", "minutes"), 1 / 60),
    **dict.fromkeys(("h", "hour", "hours"), 1.0),
    **dict.fromkeys(("d", "day", "days"), 24.0),
}
"""Units of time, in hours."""


def argument(*names: str, **options: Any) -> Argument:
    """Return an argument as `argparse` declares it: its names and the rest."""
    return names, options


def checked(convert: Callable[[str], T], wanted: str, valid: Callable[[T], bool] = lambda _: True) -> Callable[..., T]:
    """Return a converter whose failure says what was `wanted`."""

    def converter(text: str) -> T:
        try:
            if valid(value := convert(text)):
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")

    return converter


def number(least: int, most: int | None = None) -> Callable[..., int]:
    """Return a converter to a whole number from `least` up, or to `most`."""
    wanted = f"a number from {least} {'up' if most is None else f'to {most:,}'}"
    return checked(int, wanted, lambda value: value >= least and (most is None or value <= most))


def hours(text: str) -> float:
    """Read `12h`, `90 min` or `1d12h` as hours; ValueError for what is none, or 0."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text)
    if not parts or "".join(map("".join, parts)) != "".join(text.split()) or {unit for _, unit in parts} - set(UNITS):
        raise ValueError
    if not (total := sum(float(count) * UNITS[unit] for count, unit in parts)):
        raise ValueError
    return total


def integers(text: str) -> tuple[int, ...]:
    """Read whole numbers between commas or blanks; ValueError for anything else."""
    return tuple(int(part) for part in re.split(r"\s*,\s*|\s+", text.strip()))


def joined(words: Sequence[str]) -> list[str]:
    """Return the words of a call with each list of numbers as one word: `--looks 4 8, 12` as `--looks 4,8,12`."""
    part = re.compile(r"[,\s]*(\d{1,4}[,\s]+)*(\d{1,4})?")  # longer numbers may be the beginning of a run's key
    result: list[str] = []
    for word in words:
        if result[-2:-1] and result[-2] in LISTS and part.fullmatch(result[-1]) and part.fullmatch(word):
            result[-1] = f"{result[-1].rstrip(' ,')},{word.lstrip(' ,')}"
        else:
            result.append(word)
    return result


def setting(example: str) -> Callable[..., tuple[str, str]]:
    """Return a converter that splits `name=value`, such as the `example`."""

    def split(text: str) -> tuple[str, str]:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ValueError
        return name.strip(), value.strip()

    return checked(split, f"name=value, as in {example}")


class _Storage(argparse.Action):
    """--storage as somebody typed it: every user of the machine can read a password there."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"default": os.environ.get("BAM_STORAGE") or None})

    def __call__(self, _parser: Any, namespace: argparse.Namespace, values: Any, _option: str | None = None) -> None:
        """Warn of a password, and take it out of `sys.argv`, which W&B records and other processes get."""
        from studies.storage.postgres import hide_password  # loads SQLAlchemy

        setattr(namespace, self.dest, values)
        if (safe := hide_password(values)) != values:
            sys.argv = [word.replace(values, safe) for word in sys.argv]
            mend = "put it into ~/.pgpass, or the address into BAM_STORAGE"
            print(f"bam: --storage {safe}: other users can read the password in `ps`; {mend}", file=sys.stderr)


_STUDY: Final = "a name of the catalogue, or a Python file that defines STUDY"
STUDY: Final = argument("study", help=_STUDY)
STUDIES: Final = argument("study", nargs="+", help=_STUDY)
FORMS: Final = ("png", "svg", "pdf")
"""What a figure can be written as."""
JSON: Final = argument("--json", action="store_true", help="as JSON")

PRESET: Final = argument("--preset", metavar="NAME", help="another scale, as `small`")
SET: Final = argument(
    "--set",
    type=setting("recipe.epochs=30"),
    action="append",
    metavar="NAME=VALUE",
    help="override, as recipe.epochs=30",
)
ROWS: Final = (
    argument(
        "--only",
        type=setting("attention.combine=sum"),
        action="append",
        metavar="NAME=VALUE",
        help="these rows (row=LABEL or a knob), the baseline",
    ),
    argument("--seeds", type=number(1, MOST_SEEDS), metavar="N", help="N seeds, the study's own first"),
)
AS: Final = argument(
    "--as", dest="variant", metavar="NAME", help="short for the --preset and --set that `bam run` was given with it"
)
SELECTION: Final = (PRESET, SET, AS, *ROWS)
"""What picks and changes a study."""


def points(name: str, purpose: str) -> Argument:
    """Return an argument of percentage points."""
    wanted = "percentage points above 0 and below 100, as 0.3"
    return argument(name, type=checked(float, wanted, lambda value: 0 < value < 100), metavar="POINTS", help=purpose)


def margin(when: str = "") -> Argument:
    """Return --margin, and when it may be given."""
    purpose = f"{when}a difference too small to matter, chosen before looking: rows can then be equivalent"
    return points("--margin", purpose)


def rule(purpose: str, when: str) -> tuple[Argument, ...]:
    """Return the arguments that ask a stopping rule: what --until-resolved is for, and when the others may be given."""
    from studies.definition.stopping import Spending, Stopping  # loads pydantic

    looks = ",".join(map(str, Stopping().looks))
    return (
        argument("--until-resolved", action="store_true", help=purpose),
        argument(
            "--looks",
            type=checked(
                integers,
                f"numbers of seeds that rise from 2 to at most {MOST_LOOKED:,}, as {looks}",
                lambda looks: looks[0] >= 2 and looks[-1] <= MOST_LOOKED and list(looks) == sorted(set(looks)),
            ),
            metavar="N,N,...",
            help=f"{when}seeds in hand at each look ({looks})",
        ),
        argument(
            "--spending",
            choices=get_args(Spending),
            help=f"{when}how the level is spent over the looks: hardly any of it at first ({get_args(Spending)[0]}), "
            "or about as much at each",
        ),
    )


ROOT: Final = argument("--root", metavar="DIR", help="the runs folder (env BAM_ROOT; %(default)s)")
STORAGE: Final = argument(
    "--storage",
    action=_Storage,
    metavar="URL",
    help="postgresql://user@host/database, between hosts (env BAM_STORAGE; the journal under --root)",
)
RUNS: Final = (ROOT, STORAGE)
"""Where the runs of a study are."""
ONE_STUDY: Final = (STUDY, *SELECTION, margin(), *RUNS)
"""Which study to conclude from, by which margin."""
ANY_STUDIES: Final = (
    argument("study", nargs="*", help=_STUDY),
    argument("--all", action="store_true", help="every study of the catalogue"),
    *ONE_STUDY[1:],
)

FINDINGS: Final = argument(
    "--findings",
    action="store_true",
    help="what the project itself has found, from runs that it keeps: of these studies, or of all (nothing is trained)",
)

RANKS: Final = number(1, MOST_RANKS)
SHARES: Final = (
    argument("--runs-per-device", type=RANKS, default=1, metavar="K", help="K runs share a device (1)"),
    argument("--threads", type=RANKS, default=1, metavar="N", help="torch threads of a rank (1)"),
    argument("--wandb", choices=("off", "offline", "online"), help="W&B (online if logged in, else offline)"),
    argument("--wandb-alert", action="store_true", help="have W&B alert you of a study's first failure and of its end"),
    argument(
        "--wandb-monitor", choices=("on", "off"), default="on", help="W&B's system metrics and console log, too (on)"
    ),
)
DEVICES: Final = (
    argument("--devices", metavar="LIST", help="GPUs as 0,1 or CPU ranks as cpu:2 (all GPUs, else all cores)"),
    argument("--devices-per-run", type=RANKS, default=1, metavar="N", help="train each run with DDP over N"),
    *SHARES,
)
"""Where to train, and what W&B gets."""
RETRY: Final = argument("--retry", choices=("failed",), help="train failed runs again, too")
