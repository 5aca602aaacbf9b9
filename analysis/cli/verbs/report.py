"""`bam report`: the conclusions as one self-contained page."""

import argparse
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from analysis.cli.arguments import ANY_STUDIES, argument
from analysis.cli.selection import due_records, read_all, words
from analysis.plots.glyphs import missing_glyphs
from lightning_bam.run_folder.files import FolderError, replace

ARGUMENTS = (*ANY_STUDIES, argument("-o", "--output", metavar="FILE", help="the page (report.html)"))


def execute(arguments: argparse.Namespace) -> int:
    """Write the page, and say where it is."""
    output = Path("report.html" if arguments.output is None else arguments.output)
    if output.is_dir() or not output.parent.is_dir():  # before a minute of drawing
        raise FolderError(f"--output {arguments.output!r}: name a page in a folder that is there, as report.html")
    studies = [(study, due_records(study, records)) for study, records in read_all("report", arguments)]

    from analysis.report.page import Made, page
    from analysis.table.counted import tables_of

    command = ["bam", "report", *(["--all"] if arguments.all else arguments.study), *words(arguments)]
    command += ["-o", arguments.output] if arguments.output is not None else []
    root, now = str(Path(arguments.root)), datetime.now(UTC)
    made = Made(command=shlex.join(command), version=version("lightning-bam"), root=root, when=now)
    with missing_glyphs():  # the pictures hold text, and the reader's fonts may have what matplotlib's lacks
        text = page(studies, tables_of(studies), made)
    replace(output, text, follow=arguments.output is not None)
    print(f"bam report: {output} ({size(len(text.encode()))})", file=sys.stderr)
    return 0


def size(count: int) -> str:
    """Write a number of bytes as `412 kB` or `1.3 MB`."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
