"""`bam inspect`: what the attention modules of a trained run look at, as numbers and figures."""

from __future__ import annotations

import argparse
import difflib
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from analysis.cli.argument_types import checked, positive
from analysis.cli.find import find_run, keys
from analysis.cli.parser import add_root
from analysis.cli.selection import root_of
from analysis.formats.json_text import json_text
from lightning_bam.config import BAMSpec, CBAMSpec, ConfigError, SESpec
from lightning_bam.run_folder.files import FolderError, put_in_place, refuse, replace
from lightning_bam.run_folder.folder import RunFolder
from studies.terminal.text import one_line

if TYPE_CHECKING:
    from analysis.inspection.records import Inspection

IMAGES: Final = 3
"""Images whose maps are drawn unless others are asked for."""


def chosen(text: str) -> int | list[int]:
    """Return a number of images, or from `0,4,7` (or `4,`) which ones."""
    if "," not in text:
        return positive(text)
    indices = [int(part) for part in text.split(",") if part.strip()]
    if not indices or min(indices) < 0 or len(set(indices)) < len(indices):
        raise ValueError
    return indices


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("run", metavar="RUN", help="a run's key or how it begins, a run folder, or a model folder")
    parser.add_argument(
        "--images",
        type=checked(chosen, "a number from 1 up, or different indices from 0 up as 0,4,7 (one alone as 4,)"),
        default=IMAGES,
        metavar="N|LIST",
        help=f"draw the maps of the first N scored images, or of these as 0,4,7 ({IMAGES})",
    )
    parser.add_argument(
        "--samples",
        type=checked(positive, "a number of images from 2 up"),
        metavar="N",
        help="count saturation over the first N scored images (256, or all)",
    )
    parser.add_argument("--unfinished", action="store_true", help="a run that is not complete, too")
    add_root(parser)
    parser.add_argument("-o", "--output", metavar="DIR", help="write there (the run's folder, under inspect)")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON, not the table")


def execute(arguments: argparse.Namespace) -> int:
    """Compute, draw, write, and print the table."""
    folder = located(arguments.run, root_of(arguments))
    refuse_without_attention(folder)
    output = Path(arguments.output) if arguments.output else folder / "inspect"
    if not arguments.output:
        refuse(output, stat.S_IFDIR)
    if output.exists() and not output.is_dir():
        raise FolderError(f"--output {output}: is a file; give a folder")
    print(one_line(f"inspecting {folder} ..."), file=sys.stderr)
    compute(folder, arguments.images, arguments.samples, output, unfinished=arguments.unfinished)

    from analysis.inspection.records import read

    inspection = read(output)
    for path in write(inspection, output):
        print(one_line(str(path)), file=sys.stderr)
    if arguments.json:
        print(json_text(inspection.numbers))
    else:
        show(inspection)
    return 0


def located(text: str, root: Path) -> Path:
    """Return the folder that `text` means.

    Raises:
        FolderError: no such run, with the nearest key, or several.

    """
    known = keys(root)
    if not Path(text).is_dir() and not any(key.startswith(text) for key in known):
        close = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
        if close:
            raise FolderError(f"{text!r}: no run of this key under {root}; did you mean {close[0]!r}?")
    return find_run(text, root)


def refuse_without_attention(folder: Path) -> None:
    """Refuse at once a run that holds nothing to look at.

    Raises:
        ConfigError: its attention is none, or a block that has no gate.

    """
    run = RunFolder(folder).run()
    if run.attention is None:
        raise ConfigError(f"run {run.key}: attention=none, so there is no module to look at; inspect a run with one")
    if not isinstance(run.attention, BAMSpec | SESpec | CBAMSpec):
        raise ConfigError(
            f"run {run.key}: attention={run.attention.kind} has no gate to look at; inspect a run with bam, se or cbam"
        )


def compute(folder: Path, images: int | list[int], samples: int | None, output: Path, *, unfinished: bool) -> None:
    """Have a process with torch write `inspect.json` and `inspect.npz` to `output`.

    Raises:
        ConfigError: what that process says that a person can mend.

    """
    asked = {
        "path": str(folder),
        "images": images,
        "samples": samples,
        "unfinished": unfinished,
        "output": str(output),
    }
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "lightning_bam.inspection"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise RuntimeError(f"inspecting failed: {answer.stderr.strip().splitlines()[-1:]}")
    told = json.loads(answer.stdout.splitlines()[-1])
    if "error" in told:
        raise ConfigError(told["error"])


def write(inspection: Inspection, output: Path) -> list[Path]:
    """Draw every figure and the page into `output`; figures of an earlier call are removed."""
    from analysis.inspection.field import field_figures
    from analysis.inspection.maps import map_figures
    from analysis.inspection.page import page
    from analysis.inspection.saturation import saturation_figure

    figures = [saturation_figure(inspection), *field_figures(inspection), *map_figures(inspection)]
    for old in [*output.glob("maps-*.png"), *output.glob("field-*.png")]:
        old.unlink()
    paths = []
    try:
        for figure in figures:
            paths.append(output / f"{figure.name}.png")
            with put_in_place(paths[-1], follow=False) as temporary, temporary.open("xb") as file:
                file.write(figure.as_bytes("png"))
    except OSError as error:
        raise FolderError(f"{paths[-1]}: cannot be written ({error.strerror})") from None
    replace(output / "inspect.html", page(inspection, figures))
    return [*paths, output / "inspect.npz", output / "inspect.json", output / "inspect.html"]


def show(inspection: Inspection) -> None:
    """Print the table."""
    from rich.table import Table

    from analysis.inspection.page import HEADINGS, cells, legend
    from studies.terminal.console import Console

    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(HEADINGS):
        table.add_column(name, justify="right" if place else "left", no_wrap=not place)
    for row in cells(inspection):
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print(legend(inspection))
