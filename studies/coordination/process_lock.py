"""Who asked for a trial, and whether that process still lives: a file that it holds locked for as long as it does."""

import os
import re
import stat
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from lightning_bam.run_folder.files import FolderError, inside, refuse
from lightning_bam.run_folder.lock import locked, open_lock, wait_for

FOLDER: Final = ".searches"
NAME: Final = re.compile(r"[0-9a-f]{32}")


class ProcessLock:
    """This process's name in the trials that it asks for; its file under `root` goes with it."""

    def __init__(self, root: Path) -> None:
        self.name = uuid4().hex
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
        refuse(root / FOLDER, stat.S_IFDIR)
        path = root / FOLDER / self.name
        descriptor = open_lock(path, root)
        wait_for(descriptor, path)
        self.let_go = weakref.finalize(self, _let_go, path, descriptor)


def _let_go(path: Path, descriptor: int) -> None:
    with suppress(OSError):  # somebody who looked at it may have removed it, or the whole folder
        path.unlink(missing_ok=True)
    os.close(descriptor)


def alive(root: Path, name: object) -> bool:
    """Say whether the process of that name lives, and remove the file of a dead one.

    One whose file this user may not open counts as alive; a name that no `ProcessLock` has is nobody's.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return False
    try:
        refuse(root / FOLDER, stat.S_IFDIR)
        path = inside(root / FOLDER, name)
        if locked(path) or (path.exists() and not os.access(path, os.R_OK)):
            return True
    except FolderError:  # a link, say, which nobody's process has made
        return False
    path.unlink(missing_ok=True)
    return False
