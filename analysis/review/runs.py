"""Which of a project's runs a page shows, how they are grouped, and where in a run's config a knob stands."""

import re
from typing import Final

from lightning_bam.config import KINDS
from studies.definition.limits import shortened
from studies.tracking.description import study_tag
from studies.tracking.names import ANALYSIS, ROWS, row_key

TITLE: Final = 120
"""Bytes of the name of a saved view, or the title of a Report, of which W&B takes 128 characters."""


def row_path(label: str) -> str:
    """Return where the config of a run has the name of its row in the study with this label."""
    return f"{ROWS}.{row_key(label)}"


def of_study(label: str) -> str:
    """Return the filter of all runs of a study, or of a search, its analysis run included."""
    return f"Tags() in [{quoted(study_tag(label))}]"


def trained(label: str) -> str:
    """Return the filter of those that were trained."""
    return f'{of_study(label)} and Metric("JobType") != {quoted(ANALYSIS)}'


def analysed(label: str) -> str:
    """Return the filter of the study's analysis run."""
    return f'{of_study(label)} and Metric("JobType") == {quoted(ANALYSIS)}'


def quoted(text: str) -> str:
    r"""Write `text` for a filter, all but plain letters, digits, `:`, `.` and `-` as escapes.

    The package reads a filter as Python, but first doubles `=` and adds one to `<` and `>`, in strings, too.
    """
    return '"' + re.sub(r"[^A-Za-z0-9:.-]", lambda sign: f"\\U{ord(sign[0]):08x}", text) + '"'


def title(text: str) -> str:
    """Return a title without signs that the name of a saved view may not have, such as `+` and `=`, or an address."""
    return re.sub(r"[^\w.-]+", " ", shortened(text, TITLE)).strip()


def knob(name: str) -> str:
    """Return where a knob of a run stands in its config in W&B; a whole slot is told by its kind."""
    return f"{name}.kind" if name in KINDS else name


def column(name: str) -> str:
    """Return what the table of runs calls the column of a knob; W&B puts the top level of a config into `value`."""
    top, _, rest = knob(name).partition(".")
    return f"config:{top}.value" + (f".{rest}" if rest else "")
