"""`bam bundle`: a study in one file, for a paper's artefact."""

import argparse
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from analysis.bundle.archive import SUFFIXES, write
from analysis.cli.arguments import ONE_STUDY, argument
from analysis.cli.output import size
from analysis.cli.selection import read, root_of
from analysis.cli.tracking import bundle_options
from studies.errors import StudyError

ARGUMENTS = (
    *ONE_STUDY,
    argument("-o", "--output", required=True, metavar="FILE", help="the archive, FILE.tar.gz"),
    argument("--weights", action="store_true", help="with the last checkpoint of every run"),
    argument("--anonymous", action="store_true", help="for blind review: no user, host, path, log"),
    argument("--partial", action="store_true", help="also where runs are missing"),
)


def execute(arguments: argparse.Namespace) -> int:
    """Write the archive; its name goes to stdout, what is in it to stderr."""
    from analysis.bundle.contents import check, contents  # loads matplotlib

    path, root = Path(arguments.output), root_of(arguments)
    if not path.name.endswith(SUFFIXES):
        raise StudyError(f"--output {path}: a bundle is a tar.gz; call it {path.name.partition('.')[0]}.tar.gz")
    study, records = read(arguments)
    check(study, records, root, partial=arguments.partial)
    options = bundle_options(arguments.study, arguments)
    options = replace(options, weights=arguments.weights, anonymous=arguments.anonymous, logs=True)
    with tempfile.TemporaryDirectory(prefix="bam-bundle-") as folder:
        files, complete = contents(study, records, root, Path(folder), options)
        length = write(path, re.sub(r"[^\w.+=-]", "_", study.label), files)
    print(path)
    summary = f"{len(files) + 1} files of {complete} complete runs, {size(length)}"
    print(f"bam bundle: {summary}; README.txt in it says how the table is rebuilt and checked", file=sys.stderr)
    return 0
