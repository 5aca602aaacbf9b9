"""`bam report`: the conclusions as one self-contained page."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from analysis.cli.arguments import ANY_STUDIES, argument
from analysis.cli.commands import tell_empty
from analysis.cli.output import size
from analysis.cli.selection import due_records, read_all, root_of, words
from analysis.cli.tracking import bundle_options, nothing_begun, tell_unsent
from analysis.plots.glyphs import missing_glyphs
from analysis.table.counted import tables_of
from lightning_bam.run_folder.files import FolderError, replace
from studies.definition.study import Study
from studies.errors import StudyError
from studies.records.records import Record
from studies.tracking.connection import check_settings, default_mode, project

ARGUMENTS = (
    *ANY_STUDIES,
    argument("-o", "--output", metavar="FILE", help="the page (report.html)"),
    argument(
        "--wandb",
        action="store_true",
        help="tell W&B instead: an analysis run for each study, and, where somebody is logged in, the tag of the study "
        "for runs that another has trained, a saved view and a Report",
    ),
)


def execute(arguments: argparse.Namespace) -> int:
    """Write the page, and say where it is."""
    output = Path("report.html" if arguments.output is None else arguments.output)
    if output.is_dir() or not output.parent.is_dir():  # before a minute of drawing
        raise FolderError(f"--output {arguments.output!r}: name a page in a folder that is there, as report.html")
    studies = [(study, due_records(study, records)) for study, records in read_all("report", arguments)]
    if arguments.wandb:
        return _tell_wandb(studies, arguments)

    from analysis.report.page import Made, page

    command = ["bam", "report", *(["--all"] if arguments.all else arguments.study), *words(arguments)]
    command += ["-o", arguments.output] if arguments.output is not None else []
    root, now = str(Path(arguments.root)), datetime.now(UTC)
    made = Made(command=shlex.join(command), version=version("lightning-bam"), root=root, when=now)
    with missing_glyphs():  # the pictures hold text, and the reader's fonts may have what matplotlib's lacks
        text = page(studies, tables_of(studies), made)
    replace(output, text, follow=arguments.output is not None)
    tell_empty("report", studies, arguments)
    print(f"bam report: {output} ({size(len(text.encode()))})", file=sys.stderr)
    return 0


def _tell_wandb(studies: Sequence[tuple[Study, Sequence[Record]]], arguments: argparse.Namespace) -> int:
    if arguments.output is not None:
        raise StudyError(f"--output {arguments.output}: --wandb writes no page; leave one of them out")
    mode = default_mode()
    if mode == "off":
        raise StudyError("WANDB_MODE=disabled: --wandb tells nobody; unset it")
    project()
    check_settings()
    for study, records in studies:
        if nothing_begun(records):  # a wrong --root would write over what W&B has
            where = f"none of its runs is in {arguments.root}, so W&B is told nothing; --root DIR names another folder"
            raise StudyError(f"{study.label}: {where}")

    from analysis.review.send import tell_wandb

    told = True
    names = [study.name for study, _ in studies] if arguments.all else arguments.study
    for name, (study, records), table in zip(names, studies, tables_of(studies), strict=True):
        told &= tell_wandb(study, records, table, root_of(arguments), mode, bundle_options(name, arguments))
    tell_unsent([study for study, _ in studies], root_of(arguments), mode)
    return 0 if told else 1
