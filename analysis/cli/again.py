"""The command that trains what a reader is looking at."""

from __future__ import annotations

import argparse
import shlex


def command(arguments: argparse.Namespace, *, seeds: bool = True) -> str:
    """Return the `bam run` of the study that `arguments` select, without --only.

    Args:
        arguments: of a verb that takes one study.
        seeds: whether --seeds is kept.

    """
    words = ["bam", "run", arguments.study]
    words += ["--preset", arguments.preset] if arguments.preset else []
    for name, value in arguments.set:
        words += ["--set", f"{name}={value}"]
    words += ["--seeds", str(arguments.seeds)] if seeds and arguments.seeds else []
    words += ["--margin", f"{arguments.margin:g}"] if arguments.margin else []
    words += ["--root", arguments.root] if arguments.root != "runs" else []
    words += ["--storage", arguments.storage] if arguments.storage else []
    return shlex.join(words)
