"""`bam bundle`: a study in one file, for a paper's artefact."""

import argparse
import re
import sys
import tempfile
from pathlib import Path

from analysis.bundle.archive import SUFFIXES, write
from analysis.cli.arguments import ONE_STUDY, argument
from analysis.cli.selection import read, root_of, words
from analysis.cli.verbs.report import size
from studies.errors import StudyError
from studies.library import is_file

ARGUMENTS = (
    *ONE_STUDY,
    argument("-o", "--output", required=True, metavar="FILE", help="the archive, FILE.tar.gz"),
    argument("--weights", action="store_true", help="with the last checkpoint of every run"),
    argument("--anonymous", action="store_true", help="for blind review: no user, host, path, log"),
    argument("--partial", action="store_true", help="also where runs are missing"),
)


def execute(arguments: argparse.Namespace) -> int:
    """Write the archive; its name goes to stdout, what is in it to stderr."""
    from analysis.bundle.contents import Asked, check, contents  # loads matplotlib

    path, root = Path(arguments.output), root_of(arguments)
    if not path.name.endswith(SUFFIXES):
        raise StudyError(f"--output {path}: a bundle is a tar.gz; call it {path.name.partition('.')[0]}.tar.gz")
    study, records = read(arguments)
    check(study, records, root, partial=arguments.partial)
    own = Path(arguments.study) if is_file(arguments.study) else None
    asked = Asked(
        words=["study.py" if own else arguments.study, *words(arguments, root=False)],
        own=own,
        weights=arguments.weights,
        anonymous=arguments.anonymous,
    )
    with tempfile.TemporaryDirectory(prefix="bam-bundle-") as folder:
        files, complete = contents(study, records, root, Path(folder), asked)
        length = write(path, re.sub(r"[^\w.+=-]", "_", study.label), files)
    print(path)
    summary = f"{len(files) + 1} files of {complete} complete runs, {size(length)}"
    print(f"bam bundle: {summary}; README.txt in it says how the table is rebuilt and checked", file=sys.stderr)
    return 0
