"""Which exceptions are a person's to mend, told in one line, and which are ours, told with a traceback."""

from __future__ import annotations

from lightning_bam.config import ConfigError
from lightning_bam.files import FolderError
from studies.error import StudyError


def is_expected(error: Exception) -> bool:
    """Say whether `error` carries a line meant for the person at the terminal."""
    return isinstance(error, ConfigError | FolderError | StudyError)
