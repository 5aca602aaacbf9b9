"""`bam plot`: a study as figures."""

from __future__ import annotations

import argparse
import json
import re
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.cli.parser import add_margin, add_root, add_selection, add_storage
from analysis.cli.selection import gathered, looked_at, selected
from analysis.plots.glyphs import missing_glyphs
from analysis.plots.kinds import KINDS, check_kind, draw
from lightning_bam.run_folder.files import FolderError, put_in_place, refuse

if TYPE_CHECKING:
    from analysis.plots.plot import Form, Plot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "kinds:\n" + "\n".join(f"  {name:<12} {purpose}" for name, purpose in KINDS.items())
    parser.add_argument("study", help="a name of the catalogue, or a Python file that defines STUDY")
    parser.add_argument("kind", nargs="*", metavar="KIND", help="which figures (all that have something to show)")
    add_selection(parser)
    add_margin(parser)
    add_root(parser)
    add_storage(parser)
    parser.add_argument("--format", choices=("png", "svg", "pdf"), default="png", help="how to write them (png)")
    parser.add_argument("-o", "--output", metavar="DIR", help="write there (plots)")
    parser.add_argument("--json", action="store_true", help="print path, title, alternative text and caption as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Write each figure, print its path, and say of each asked one that has nothing to show why.

    Returns:
        0, or 2 where a kind that was asked for by name, or all of them, had nothing to show.

    """
    asked = list(dict.fromkeys(check_kind(kind) for kind in arguments.kind))
    output = Path("plots" if arguments.output is None else arguments.output)
    if arguments.output is None:
        refuse(output, stat.S_IFDIR)
    if output.exists() and not output.is_dir():
        raise FolderError(f"--output {output}: is a file; give a folder")
    looked_at(arguments)
    study = selected(arguments.study, arguments)
    records = gathered(study, arguments)

    from analysis.plots.plot import NoPlot
    from analysis.table.build import tabulate

    table = tabulate(records, study)
    shown, absent = [], []
    with missing_glyphs() as missing:
        for kind in asked or KINDS:
            figure = draw(kind, study, records, table)
            if isinstance(figure, NoPlot):
                absent.append(f"bam plot: {study.label}: no {kind}: {figure.reason}")
            else:
                shown.append((write(figure, output, study.label, arguments.format), figure))
    if missing and arguments.format != "svg":
        signs = "".join(missing)
        print(f"bam plot: {study.label}: matplotlib's font lacks {signs}: a box stands for each", file=sys.stderr)
    if arguments.json:
        words = ("name", "title", "alt", "caption")
        entries = [{"path": str(path)} | {word: getattr(figure, word) for word in words} for path, figure in shown]
        print(json.dumps(entries, indent=1, ensure_ascii=False))
    else:
        for path, _ in shown:
            print(path)
    nothing = bool(absent) and (bool(asked) or not shown)
    if nothing:
        print("\n".join(absent), file=sys.stderr)
    return 2 if nothing else 0


def write(figure: Plot, output: Path, label: str, form: Form) -> Path:
    """Write one figure as `<label>-<kind>.<form>`, not through a link; what no file name should hold becomes `_`.

    Raises:
        FolderError: it cannot be written.

    """
    name = re.sub(r"[^\w+=,.-]", "_", label)
    path = output / f"{name}-{figure.name}.{form}"
    try:
        output.mkdir(parents=True, exist_ok=True)
        with put_in_place(path, follow=False) as temporary, temporary.open("xb") as file:
            file.write(figure.as_bytes(form))
    except OSError as error:
        raise FolderError(f"{path}: cannot be written ({error.strerror})") from None
    return path
