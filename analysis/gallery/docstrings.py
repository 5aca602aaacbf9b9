"""The field `result` of a catalogue study's docstring: what the study has found."""

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import studies.catalogue
from analysis.findings.kept import PRESET
from analysis.findings.summary import answer

FIELD: Final = re.compile(r"^result {6}.*(?:\n {12}.*)*", re.M)
"""The field, its first line and those that go on with it."""
WIDTH: Final = 120


def file_of(study: str) -> Path:
    """Return the file of a study of the catalogue, which may not be there."""
    return Path(studies.catalogue.__path__[0]) / f"{study.replace('-', '_')}.py"


def with_result(source: str, table: Mapping[str, Any]) -> str:
    """Return a study's file with what the table says in its docstring."""
    said = f"at --preset {PRESET}, Δ in points: {answer(table)}; not run yet at the paper's scale"
    fill = textwrap.TextWrapper(
        WIDTH, initial_indent="result      ", subsequent_indent=" " * 12, break_on_hyphens=False
    )
    lines = fill.fill(said)
    return FIELD.sub(lambda _: lines, source, count=1)
