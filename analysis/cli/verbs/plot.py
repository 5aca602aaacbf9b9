"""`bam plot`: a study as figures."""

import argparse
import json
import re
import sys
from pathlib import Path

from analysis.cli.arguments import ONE_STUDY, argument
from analysis.cli.output import output_folder, write_figure
from analysis.cli.selection import read
from analysis.plots.glyphs import missing_glyphs
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
    argument("--format", choices=("png", "svg", "pdf"), default="png", help="how to write them (png)"),
    argument("-o", "--output", metavar="DIR", help="write there (plots)"),
    argument("--json", action="store_true", help="print path, title, alternative text and caption as JSON"),
)


def execute(arguments: argparse.Namespace) -> int:
    """Write each figure as `<label>-<kind>.<format>` and print its path; 2 where a named one has nothing to show."""
    kinds = list(dict.fromkeys(check_kind(kind) for kind in arguments.kind))
    folder = output_folder(arguments.output, Path("plots"))
    study, records = read(arguments)

    from analysis.plots.plot import NoPlot
    from analysis.table.build import tables

    (table,) = tables([(study, records)])
    label = re.sub(r"[^A-Za-z0-9_-]", "-", study.label)  # as \includegraphics takes it
    figures, missing = {}, []
    with missing_glyphs() as glyphs:
        for kind in kinds or KINDS:
            figure = draw(kind, study, records, table)
            if isinstance(figure, NoPlot):
                missing.append(f"bam plot: {study.label}: no {kind}: {figure.reason}")
            else:
                path = folder / f"{label}-{figure.name}.{arguments.format}"
                write_figure(figure, path, arguments.format)
                figures[str(path)] = figure
    if glyphs and arguments.format != "svg":
        signs = "".join(glyphs)
        print(f"bam plot: {study.label}: matplotlib's font lacks {signs}: a box stands for each", file=sys.stderr)
    if arguments.json:
        words = ("name", "title", "alt", "caption")
        data = [{"path": path} | {word: getattr(figure, word) for word in words} for path, figure in figures.items()]
        print(json.dumps(data, indent=1, ensure_ascii=False))
    else:
        print(*figures, sep="\n", end="\n" * bool(figures))
    if not missing or (figures and not kinds):
        return 0
    print("\n".join(missing), file=sys.stderr)
    return 2
