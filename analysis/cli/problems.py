"""Which exceptions are a person's to mend, told in one line, and which are ours, told with a traceback."""

from __future__ import annotations

import sys

from lightning_bam.config import ConfigError
from lightning_bam.files import FolderError
from studies.error import StudyError


def line_for(error: Exception) -> str | None:
    """Return the line meant for the person at the terminal, or None where `error` is ours."""
    if isinstance(error, ConfigError | FolderError | StudyError):
        return str(error)
    if "sqlalchemy" in sys.modules:
        from studies.postgres import away, silent

        return silent(error) if away(error) else None
    return None
