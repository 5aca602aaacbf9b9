"""Which exceptions are a person's to mend, told in one line, and which are ours, told with a traceback."""

import sys

from lightning_bam.config import ConfigError
from lightning_bam.run_folder.files import FAULTY, FORBIDDEN, FULL_DISK, FolderError, system_error
from studies.errors import StudyError


def line_for(error: Exception) -> str | None:
    """Return the line meant for the person at the terminal, or None where `error` is ours."""
    if isinstance(error, ConfigError | FolderError | StudyError):
        return str(error)
    if (refused := system_error(error)) is not None:
        where, reason = refused.filename or "a file", refused.strerror
        if refused.errno in FULL_DISK:  # Optuna's journal, above all
            return f"{where}: no space left on the disk ({reason}); make room, then the same command goes on"
        if refused.errno in FAULTY:
            return f"{where}: its disk has failed ({reason}); mend or remount it, then the same command goes on"
        if refused.errno in FORBIDDEN and refused.filename:
            share = "ask whose it is to share it, or give a folder of your own"
            return f"{where}: this user may not read or write it ({reason}); {share}"
    if "sqlalchemy" in sys.modules:
        from studies.storage.postgres import away, refusal, silent

        return silent(error) if away(error) else refusal(error)
    return None
