"""`bam new`: a study file to begin with, in which one part is the user's own."""

import argparse
import re
import shlex
from importlib.resources import files
from pathlib import Path
from typing import Final

from analysis.cli.arguments import argument
from studies.definition.limits import LONGEST
from studies.errors import StudyError
from studies.library import catalogue, spaces

PARTS: Final = {
    "module": "an attention module of its own (what is written without an option)",
    "backbone": "a network of its own, with its places for attention",
    "dataset": "images of its own",
    "task": "a task of its own, with its metric: segmentation by mean IoU",
}
"""What a study can have of its own, and what that is; `studies/definition/templates/<part>.py` is the file."""
ARGUMENTS = (
    argument("file", help="the file, as my_study.py; the study is named after it"),
    *(
        argument(f"--{part}", action="append_const", dest="parts", const=part, help=what)
        for part, what in PARTS.items()
    ),
)


def execute(arguments: argparse.Namespace) -> int:
    """Write the file, and say what to do with it."""
    parts = list(dict.fromkeys(arguments.parts or ["module"]))
    if len(parts) > 1:
        raise StudyError(f"--{parts[0]} --{parts[1]}: a file has one part of its own; write two files")
    path = Path(arguments.file)
    write(path, parts[0])
    name = shlex.quote(str(path))
    print(f"{path}: a study with {PARTS[parts[0]].partition(' (')[0]}\nnext: bam run {name} && bam table {name}")
    return 0


def write(path: Path, part: str) -> None:
    """Write a study with one `part` of its own to a file that is not there yet; StudyError for what is no such file."""
    if not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST - 1}}}", path.stem):
        raise StudyError(f"{path}: a study is named after its file; use letters, digits, '-' and '_', as my_study.py")
    if path.suffix != ".py":
        raise StudyError(f"{path}: a study is a Python file; call it {path.stem}.py")
    if path.stem in {**catalogue(), **spaces()}:
        raise StudyError(f"{path}: {path.stem} is a name of the catalogue; give another, as my_{path.stem}.py")
    if not path.parent.is_dir():
        raise StudyError(f"{path}: no such folder {path.parent}; make it first")
    text = files("studies.definition.templates").joinpath(f"{part}.py").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text.replace("my_study", path.stem))
    except FileExistsError:
        raise StudyError(f"{path}: is there already; give another name") from None
