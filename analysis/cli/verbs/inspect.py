"""`bam inspect`: what the attention modules of a trained run look at, as numbers and figures."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from analysis.cli.arguments import JSON, ROOT, argument, checked
from analysis.cli.find import CODE, find_run, read_run
from analysis.cli.output import grid, output_folder, write_figure
from analysis.formats.json_text import json_text
from lightning_bam.config import ConfigError
from lightning_bam.run_folder.files import replace
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.user_code.load import Source, sources
from studies.terminal.text import one_line

if TYPE_CHECKING:
    from analysis.inspection.records import Inspection

IMAGES: Final = 3
"""Images whose maps are drawn unless others are asked for."""


def image_choice(text: str) -> int | list[int]:
    """Return a number of images, or from `0,4,7` (or `4,`) which ones."""
    numbers, single = [int(part) for part in text.split(",") if part.strip()], "," not in text
    if not numbers or min(numbers) < (1 if single else 0) or len(set(numbers)) < len(numbers):
        raise ValueError
    return numbers[0] if single else numbers


ARGUMENTS = (
    argument("run", metavar="RUN", help="a run's key or how it begins, a run folder, or a model folder"),
    argument(
        "--images",
        type=checked(image_choice, "a number from 1 up, or different indices from 0 up as 0,4,7 (one alone as 4,)"),
        default=IMAGES,
        metavar="N|LIST",
        help=f"draw the maps of the first N scored images, or of these as 0,4,7 ({IMAGES})",
    ),
    argument(
        "--samples",
        type=checked(int, "a number of images from 2 up", lambda number: number > 0),
        metavar="N",
        help="count saturation over the first N scored images (256, or all)",
    ),
    argument("--unfinished", action="store_true", help="a run that is not complete, too"),
    CODE,
    ROOT,
    argument("-o", "--output", metavar="DIR", help="write there (the run's folder, under inspect)"),
    JSON,
)


def execute(arguments: argparse.Namespace) -> int:
    """Compute, draw, write, and print the table."""
    folder = find_run(arguments)
    output = output_folder(arguments.output or None, folder / "inspect")
    print(one_line(f"inspecting {folder} ..."), file=sys.stderr)
    own = sources(read_run(RunFolder(folder), arguments.code))
    compute(folder, arguments.images, arguments.samples, output, own, unfinished=arguments.unfinished)

    from analysis.inspection.records import read

    inspection = read(output)
    for path in write(inspection, output):
        print(one_line(str(path)), file=sys.stderr)
    if arguments.json:
        print(json_text(inspection.numbers))
    else:
        from analysis.inspection.page import HEADINGS, cells, legend
        from studies.terminal.console import Console

        table = grid(HEADINGS, text=HEADINGS[:1])
        for row in cells(inspection):
            table.add_row(*row)
        console = Console()
        console.print(table)
        console.print(legend(inspection))
    return 0


def compute(
    folder: Path,
    images: int | list[int],
    samples: int | None,
    output: Path,
    own: Sequence[Source] = (),
    *,
    unfinished: bool,
) -> None:
    """Have a process with torch write `inspect.json` and `inspect.npz` to `output`; it may refuse with ConfigError."""
    request = {"path": str(folder), "images": images, "samples": samples, "unfinished": unfinished}
    command = [sys.executable, "-P", "-m", "lightning_bam.inspection"]
    text = json.dumps(request | {"output": str(output), "own": own})
    answer = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(f"inspecting failed: {answer.stderr.strip().splitlines()[-1:]}")
    reply = json.loads(answer.stdout.splitlines()[-1])
    if "error" in reply:
        raise ConfigError(reply["error"])


def write(inspection: Inspection, output: Path) -> list[Path]:
    """Draw every figure and the page into `output`; figures of an earlier call are removed."""
    from analysis.inspection.field import field_figures
    from analysis.inspection.maps import map_figure
    from analysis.inspection.page import page
    from analysis.inspection.saturation import saturation_figure

    figures = [saturation_figure(inspection), *field_figures(inspection)]
    figures += [map_figure(inspection, place) for place in range(len(inspection.numbers["images"]))]
    for old in [*output.glob("maps-*.png"), *output.glob("field-*.png")]:
        old.unlink()
    paths = [output / f"{figure.name}.png" for figure in figures]
    for figure, path in zip(figures, paths, strict=True):
        write_figure(figure, path, "png")
    replace(output / "inspect.html", page(inspection, figures))
    return [*paths, output / "inspect.npz", output / "inspect.json", output / "inspect.html"]
