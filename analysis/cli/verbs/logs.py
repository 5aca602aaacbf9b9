"""`bam logs`: what a run has printed."""

import argparse
import codecs
import os
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO, Final

from analysis.cli.arguments import ROOT, argument, number
from analysis.cli.find import find_run
from lightning_bam.run_folder.files import FolderError, open_plain
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.lock import locked

PAUSE: Final = 0.5
"""Seconds between two looks at a log that is followed."""
BLOCK: Final = 2**16
"""Bytes that are read of a log at a time."""
ARGUMENTS = (
    argument("run", metavar="RUN", help="a run's key or how it begins, or a run folder"),
    argument("--rank", type=number(0), metavar="N", help="of this rank (0, or the launcher where that has no log)"),
    argument("--follow", action="store_true", help="go on with what it prints until it ends"),
    ROOT,
)


def execute(arguments: argparse.Namespace) -> int:
    """Print the log of a rank; the name of the file goes to stderr."""
    folder = RunFolder(find_run(arguments))
    wanted = ["launcher.log"] if arguments.rank is None else []
    names = [name for name in (f"rank{arguments.rank or 0}.log", *wanted) if folder.has(name)]
    if not names:
        logs = sorted(path.name for path in folder.path.glob("*.log"))
        others = f"it has {', '.join(logs)}" if logs else "none of its attempts has printed anything here"
        raise FolderError(f"{folder.path}: has no rank{arguments.rank or 0}.log; {others}")
    print(f"==> {folder.path / names[0]} ({folder.state()})", file=sys.stderr)
    with os.fdopen(open_plain(folder.at(names[0])), "rb") as file:
        for text in texts(file, f"{folder.path}/lock", follow=arguments.follow):
            sys.stdout.write(text)
            sys.stdout.flush()
    return 0


def texts(file: BinaryIO, lock: str, *, follow: bool) -> Iterator[str]:
    """Yield what is in a log, and with `follow` what comes as long as the lock of its run is held."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        alive = follow and locked(lock)  # before: what is written until its end is read once more
        while block := file.read(BLOCK):
            yield decoder.decode(block)
        if not alive:
            return
        time.sleep(PAUSE)
