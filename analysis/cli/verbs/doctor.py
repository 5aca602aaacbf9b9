"""`bam doctor`: what is wrong with this machine or its runs folder, and what mends it."""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.text import Text

from analysis.cli.arguments import JSON, RUNS
from analysis.cli.output import put
from analysis.cli.selection import root_of
from studies.doctor import Finding, machine, runs_folder, storage
from studies.terminal.console import Console
from studies.terminal.text import one_line
from studies.workers.forkserver import forkserver

ARGUMENTS = (*RUNS, JSON)
COLOURS = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def execute(arguments: argparse.Namespace) -> int:
    """Print a line a check as it comes; returns 1 if one found a problem."""
    console = Console()
    findings = []
    for finding in examine(root_of(arguments), arguments.storage):
        findings.append(finding)
        if not arguments.json:
            text = Text(one_line(finding.found))
            if finding.mend:
                text.append(" - mend: ", "dim").append(one_line(finding.mend), "bold")
            put(console, [(Text(finding.level, COLOURS[finding.level]), 7), (finding.check, 15)], text)
    levels = Counter(finding.level for finding in findings)
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        console.print(f"problems: {levels['problem']}, warnings: {levels['warning']}, ok: {levels['ok']}")
    return int(levels["problem"] > 0)


def examine(root: Path, url: str | None) -> Iterator[Finding]:
    """Make every check in turn; one that fails itself is a problem in one line, and the rest goes on.

    Changes nothing but for a probe file beside the runs, which is removed, and a row in the database, taken back.
    """
    context = forkserver()
    context.set_forkserver_preload(["studies.doctor.torch_probe"])  # a torchvision that does not fit would end it
    checks: dict[str, Callable[[], Iterable[Finding]]] = {
        "versions": machine.versions,
        "imports": machine.imports,
        "memory": machine.memory,
        "disk": partial(runs_folder.room, root),
        "files": partial(runs_folder.files, root),
        "torch": partial(machine.torch, context),
        "orphans": runs_folder.orphans,
        "leases": partial(runs_folder.leases, root),
        "storage": partial(storage.journal, root) if url is None else partial(storage.database, url),
    }
    for name, check in checks.items():
        try:
            yield from check()
        except Exception as error:
            problem = f"this check failed itself: {type(error).__name__}: {' '.join(str(error).split())}"
            mend = "mend what the line names, or report it: a check must not fail"
            yield Finding(name, "problem", problem, mend)
