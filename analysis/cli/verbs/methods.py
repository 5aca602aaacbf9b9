"""`bam methods`: a study as a paper's method section and its conference's checklist ask for it."""

import argparse
from pathlib import Path

from analysis.cli.arguments import JSON, ONE_STUDY, argument
from analysis.cli.selection import due_records, existing_root, select
from analysis.cli.verbs.table import OTHERS, put
from analysis.formats.json_text import json_text
from analysis.methods.account import account
from analysis.methods.written import as_data, as_latex, as_markdown
from analysis.table.counted import tables_of
from studies.coordination.sync import gather_everywhere
from studies.errors import StudyError
from studies.stopping_rules.declaration import declared_on

WRITERS = {"md": as_markdown, "tex": as_latex}
ARGUMENTS = (
    *ONE_STUDY,
    argument("--format", choices=tuple(WRITERS), help="how to write it (as FILE ends; else md)"),
    argument("-o", "--output", metavar="FILE", help="write there and not on stdout"),
    JSON,
)


def execute(arguments: argparse.Namespace) -> int:
    """Print the paragraph and the answers."""
    ending = Path(arguments.output or "").suffix[1:].lower()
    form = arguments.format or (ending if ending in WRITERS else "md")
    if arguments.format is None and ending in OTHERS and not arguments.json:
        usual = ", ".join(f".{name}" for name in WRITERS)
        raise StudyError(
            f"--output {arguments.output}: nothing is written as .{ending}; end it in {usual}, or say --format"
        )
    root = existing_root(arguments)
    study = select(arguments.study, arguments)
    records = gather_everywhere(study, root, arguments.storage)
    (table,) = tables_of([(study, records)])
    told = account(study, due_records(study, records), table, declared_on(study, root))
    put(json_text(as_data(told)) + "\n" if arguments.json else WRITERS[form](told), arguments.output)
    return 0
