"""`bam report`: the conclusions as one self-contained page."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from analysis.cli.again import selection
from analysis.cli.parser import add_studies
from analysis.cli.selection import chosen, gathered, looked_at
from analysis.plots.glyphs import missing_glyphs
from lightning_bam.run_folder.files import FolderError, replace
from studies.definition.study import Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_studies(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="the page (report.html)")


def execute(arguments: argparse.Namespace) -> int:
    """Write the page, and say where it is."""
    output = writable("report.html" if arguments.output is None else arguments.output)
    studies = chosen("report", arguments)
    with missing_glyphs():  # the pictures hold text, and the reader's fonts may have what matplotlib's lacks
        text = write(studies, arguments)
    replace(output, text, follow=arguments.output is not None)
    print(f"bam report: {output} ({size(len(text.encode()))})", file=sys.stderr)
    return 0


def writable(text: str) -> Path:
    """Return the path of the page, whose folder must be there: better to say so before than after drawing.

    Raises:
        FolderError: it is a folder, or lies in none.

    """
    if not text:
        raise FolderError("--output '': name the page, as report.html")
    path = Path(text)
    if path.is_dir():
        raise FolderError(f"--output {text}: is a folder; name the page, as {path / 'report.html'}")
    if not path.parent.is_dir():
        raise FolderError(f"--output {text}: cannot be written: {path.parent} is no folder")
    return path


def write(studies: Sequence[Study], arguments: argparse.Namespace) -> str:
    """Return the page."""
    from analysis.cli.verbs.table import concluded
    from analysis.report.page import Made, page

    root = looked_at(arguments)
    found = [(study, gathered(study, arguments)) for study in studies]
    made = Made(command=again(arguments), version=version("lightning-bam"), root=str(root), when=datetime.now(UTC))
    return page(found, concluded(found), made)


def again(arguments: argparse.Namespace) -> str:
    """Return the command that makes the page again."""
    words = ["bam", "report", *(["--all"] if arguments.all else arguments.study)]
    words += selection(arguments, only=True)
    words += ["-o", arguments.output] if arguments.output is not None else []
    return shlex.join(words)


def size(count: int) -> str:
    """Write a number of bytes as `412 kB` or `1.3 MB`."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
