"""Which exceptions are a person's to mend, told in one line, and which are ours, told with a traceback."""

import sys

from lightning_bam.config import ConfigError
from lightning_bam.run_folder.files import FAULTY, FORBIDDEN, FULL_DISK, FolderError, system_error
from studies.errors import StudyError


def line_for(error: Exception) -> str | None:
    """Return the line meant for the person at the terminal, or None where `error` is ours."""
    if isinstance(error, ConfigError | FolderError | StudyError):
        return str(error)
    refused = system_error(error)
    if refused is not None and refused.errno in FULL_DISK:  # Optuna's journal, above all
        where = f"{refused.filename}: " if refused.filename else ""
        return f"{where}no space left on the disk ({refused.strerror}); make room, then the same command goes on"
    if refused is not None and refused.errno in FAULTY:
        where = refused.filename or "a file"
        return f"{where}: its disk has failed ({refused.strerror}); mend or remount it, then the same command goes on"
    if refused is not None and refused.errno in FORBIDDEN and refused.filename:
        reason = f"this user may not read or write it ({refused.strerror})"
        return f"{refused.filename}: {reason}; ask whose it is to share it, or give a folder of your own"
    if "sqlalchemy" in sys.modules:
        from studies.storage.postgres import away, refusal, silent

        return silent(error) if away(error) else refusal(error)
    return None
