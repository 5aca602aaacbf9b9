"""Write the README's pictures, and the results in the catalogue's docstrings, from the findings that are kept.

python -m analysis.gallery
"""

from __future__ import annotations

from pathlib import Path

from analysis.findings.kept import FOLDER, findings
from analysis.gallery.docstrings import file_of, with_result
from analysis.gallery.pictures import differences, single_seeds, table_picture
from analysis.notebook import table
from analysis.table.build import Table

PICTURES = FOLDER / "pictures"
SHOWN = "attention"
"""The study whose table is drawn."""


def tables() -> dict[str, Table]:
    """Return the table of each finding, by its study's name."""
    made = {}
    for name, finding in findings().items():
        with finding.unpacked() as asked:
            made[name] = table(asked.study, preset=asked.preset, root=asked.root).table
    return made


def pictures() -> dict[str, bytes]:
    """Return each picture as a file, by its name."""
    made = tables()
    scale = [one for name, one in made.items() if file_of(name).is_file()]
    plots = (differences(scale), single_seeds(scale))
    return {"table.svg": table_picture(made[SHOWN])} | {f"{plot.name}.svg": plot.for_page() for plot in plots}


def docstrings() -> dict[Path, str]:
    """Return each file of the catalogue that has been run, with its result."""
    files = {file_of(name): finding.table() for name, finding in findings().items()}
    return {path: with_result(path.read_text(), found) for path, found in files.items() if path.is_file()}


def main() -> None:
    """Write all of it."""
    PICTURES.mkdir(exist_ok=True)
    for name, content in pictures().items():
        (PICTURES / name).write_bytes(content)
    for path, text in docstrings().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
