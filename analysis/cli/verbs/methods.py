"""`bam methods`: a study as a paper's method section and its conference's checklist ask for it."""

import argparse

from analysis.cli.arguments import JSON, ONE_STUDY, argument
from analysis.cli.selection import due_records, existing_root, select
from analysis.cli.verbs.table import put, tables_of
from analysis.formats.json_text import json_text
from analysis.methods.account import account
from analysis.methods.written import as_data, as_latex, as_markdown
from studies.coordination.sync import gather_everywhere
from studies.stopping_rules.declaration import declared_on

WRITERS = {"md": as_markdown, "tex": as_latex}
ARGUMENTS = (
    *ONE_STUDY,
    argument("--format", choices=tuple(WRITERS), default="md", help="how to write it (md)"),
    argument("-o", "--output", metavar="FILE", help="write there and not on stdout"),
    JSON,
)


def execute(arguments: argparse.Namespace) -> int:
    """Print the paragraph and the answers."""
    root = existing_root(arguments)
    study = select(arguments.study, arguments)
    records = gather_everywhere(study, root, arguments.storage)
    (table,) = tables_of([(study, records)])
    told = account(study, due_records(study, records), table, declared_on(study, root))
    put(json_text(as_data(told)) + "\n" if arguments.json else WRITERS[arguments.format](told), arguments.output)
    return 0
