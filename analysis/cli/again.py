"""The words that give a reader the same study again."""

from __future__ import annotations

import argparse
import shlex


def command(arguments: argparse.Namespace, *, seeds: bool = True) -> str:
    """Return the `bam run` of the study that `arguments` select, without --only.

    Args:
        arguments: of a verb that takes one study.
        seeds: whether --seeds is kept.

    """
    words = ["bam", "run", arguments.study, *selection(arguments, seeds=seeds)]
    words += ["--storage", _printable(arguments.storage)] if arguments.storage else []
    return shlex.join(words)


def _printable(url: str) -> str:
    from studies.storage.postgres import hide_password  # loads SQLAlchemy

    return hide_password(url)


def selection(arguments: argparse.Namespace, *, seeds: bool = True, only: bool = False, root: bool = True) -> list[str]:
    """Return the arguments that select a study's scale, rows and seeds, and the runs folder, as far as wanted."""
    words = ["--preset", arguments.preset] if arguments.preset else []
    for name, value in arguments.set:
        words += ["--set", f"{name}={value}"]
    for name, value in arguments.only if only else []:
        words += ["--only", f"{name}={value}"]
    words += ["--seeds", str(arguments.seeds)] if seeds and arguments.seeds else []
    margin = getattr(arguments, "margin", None)
    words += ["--margin", f"{margin:g}"] if margin else []
    words += ["--root", arguments.root] if root and arguments.root != "runs" else []
    return words
