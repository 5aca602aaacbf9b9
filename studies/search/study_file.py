"""A study written as a Python file of a person's own, which every verb takes."""

import os
import shlex
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from lightning_bam.config import Run
from lightning_bam.config.spec import changed
from lightning_bam.run_folder.files import FolderError, inside, read_text, unwritable
from lightning_bam.run_folder.files import replace as put
from studies.definition.panels import panel_names
from studies.definition.study import Study
from studies.terminal.text import one_line

FILE: Final = '''\
"""{docstring}
"""

from dataclasses import replace

from lightning_bam.config import {classes}
from studies import Study
{own}
base = {base}
STUDY = Study(
    name={study.name!r},
    question={study.question!r},
    rows={{
{rows}
    }},
    baseline={study.baseline!r},
{within}    scientific={study.scientific!r},
    seeds={study.seed_list!r},
{metric})
'''


END: Final = '\n"""\n'
"""How the docstring of a study's file ends: behind it stands what the study asks."""


def write(study: Study, root: Path, command: str) -> Path:
    """Write a study of `confirmation` as a Python file under `root`, unless one that asks the same is there.

    Return its path; a FolderError for any other file.
    """
    path = inside(root, f"{study.name}.py")
    text = source(study, commands(path, root), command)
    try:
        there = read_text(path) if os.path.lexists(path) else text
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from None
    if there.partition(END)[2] != text.partition(END)[2]:
        raise FolderError(f"{path}: is there and says something else; move it away to confirm what is best now")
    put(path, there)
    return path


def commands(path: Path, root: Path) -> str:
    """Return what runs a written study and prints its table."""
    file, folder = shlex.quote(str(path)), shlex.quote(str(root))
    return f"bam run {file} --root {folder} && bam table {file} --root {folder}"


def source(study: Study, command: str, found_by: str) -> str:
    """Return the study as the source of a file that defines `STUDY`."""
    first = study.baselines[0]
    base = study.rows[first]
    classes: dict[str, type] = {"Run": Run}
    base_code = code(base, classes)
    rows = [f"        {first!r}: base,"]
    for row, run in study.rows.items():
        if row != first:
            differing = [f.name for f in fields(run) if getattr(run, f.name) != getattr(base, f.name)]
            parts = "".join(f"            {name}={code(getattr(run, name), classes)},\n" for name in differing)
            rows.append(f"        {row!r}: replace(\n            base,\n{parts}        ),")
    seeds = study.seed_list
    lines = (
        f"Question: {study.question}",
        "",
        f"scientific  {', '.join(study.scientific)}",
        "nuisance    seed (initial weights and order of the data)",
        *comparison_lines(study),
        f"command     {command}",
        f"n           {len(seeds)} seeds a row, {seeds[0]} to {seeds[-1]}, none of which the search has used",
        f"found by    {found_by}",
        "result      not run yet",
    )
    return FILE.format(
        # what a database says of a trial neither ends the docstring nor begins a line
        docstring="\n".join(one_line(line).replace("\\", "\\\\").replace('"""', r"\"\"\"") for line in lines),
        classes=", ".join(sorted(name for name, cls in classes.items() if not getattr(cls, "code", ""))),
        own=own_classes(classes.values()),
        base=base_code,
        study=study,
        rows="\n".join(rows),
        within=f"    within={study.within!r},\n" if study.within else "",
        metric=f"    metric={study.metric!r},\n" if study.metric != "error_top1" else "",
    )


def comparison_lines(study: Study) -> list[str]:
    """Return the lines that say what is fixed, and where there are panels what a row is compared with."""
    if not study.within:
        return [f"fixed       all else; rows are compared with {study.baseline!r}"]
    slots = " and ".join(study.within)
    lines = [
        f"panels      {', '.join(panel_names(study.rows, study.within))}",
        f"fixed       all else; a row is compared with the one of its own {slots} without attention",
    ]
    if alone := [panel.baseline for panel in study.panels if len(panel.rows) == 1]:
        lines.append(f"alone       no other row has the {slots} of {', '.join(map(repr, alone))}")
    return lines


def own_classes(classes: Iterable[Any]) -> str:
    """Return the lines that load the classes of the user's own from where they stand; empty where there are none."""
    lines = [
        f"{cls.__name__} = load_class({cls.file!r}, {cls.__module__!r}, {cls.__name__!r})\n"
        for cls in sorted(classes, key=lambda cls: str(cls.__name__))
        if getattr(cls, "code", "")
    ]
    return "".join(["from lightning_bam.user_code.load import load_class\n\n", *lines]) if lines else ""


def code(item: Any, classes: dict[str, type]) -> str:
    """Return the Python that makes `item`, with what differs from the defaults alone; adds its classes to `classes`."""
    if not is_dataclass(item):
        return repr(item)
    classes[type(item).__name__] = type(item)
    inner = ", ".join(f"{name}={code(value, classes)}" for name, value in changed(item).items())
    return f"{type(item).__name__}({inner})"
