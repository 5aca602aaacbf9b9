"""`bam plot`: a study as figures."""

import argparse
import sys
from pathlib import Path

from analysis.cli.arguments import FORMS, ONE_STUDY, argument
from analysis.cli.output import output_folder, write_figures
from analysis.cli.selection import read
from analysis.plots.kinds import KINDS, check_kind, draw

ARGUMENTS = (
    *ONE_STUDY,
    argument(
        "kind",
        nargs="*",
        metavar="KIND",
        help="which figures (all that have something to show). "
        + "; ".join(f"{name}: {purpose}" for name, purpose in KINDS.items()),
    ),
    argument("--format", choices=FORMS, default="png", help="how to write them (png)"),
    argument("-o", "--output", metavar="DIR", help="write there (plots)"),
    argument("--json", action="store_true", help="print path, title, alternative text and caption as JSON"),
)


def execute(arguments: argparse.Namespace) -> int:
    """Write each figure as `<label>-<kind>.<format>` and print its path; 2 where a named one has nothing to show."""
    kinds = list(dict.fromkeys(check_kind(kind) for kind in arguments.kind))
    folder = output_folder(arguments.output, Path("plots"))
    study, records = read(arguments)

    from analysis.table.build import tables

    (table,) = tables([(study, records)])
    drawn = ((kind, draw(kind, study, records, table)) for kind in kinds or KINDS)
    any_written, missing = write_figures(
        "bam plot", drawn, folder, study.label, arguments.format, as_json=arguments.json
    )
    if not missing or (any_written and not kinds):
        return 0
    print("\n".join(missing), file=sys.stderr)
    return 2
