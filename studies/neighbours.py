"""What lies beside a study file: the file may import it, behind everything that is installed.

The folder is appended to `sys.path`, which multiprocessing hands on to the processes that are forked for runs. A file
there named as a module that is installed therefore replaces none. Python processes that are started anew look in no
folder of their own accord: `-P`, or `safe_path` where the words are not ours.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

OURS: Final = ("analysis", "lightning_bam", "studies")
ROOT: Final = str(Path(__file__).resolve().parent.parent)
"""Where this project's packages are."""
_folders: Final[list[str]] = []


def allow(file: Path) -> None:
    """Let `file` import what lies beside it; modules beside a file that was read earlier are forgotten.

    Two studies may each have a `models.py`.
    """
    for folder in _folders:
        for name in _modules(Path(folder)):
            del sys.modules[name]
        with suppress(ValueError):
            sys.path.remove(folder)
    home = str(file.resolve().parent)
    _folders[:] = [] if home in sys.path else [home]  # PYTHONPATH may have it
    if ROOT not in sys.path:  # an editable installation is found behind all of `sys.path`, and so behind the study
        sys.path.append(ROOT)
    sys.path += _folders
    importlib.invalidate_caches()


def imported(file: Path) -> list[Path]:
    """Return the files beside `file`, or in packages there, that it has imported, sorted."""
    return sorted(set(_modules(file.resolve().parent).values()))


@contextmanager
def safe_path() -> Iterator[None]:
    """Have Python processes that are started meanwhile import what is installed, and nothing from a study's folder.

    They and all that they start keep `PYTHONSAFEPATH`: in a run's processes there is no code but installed one.
    """
    before, path = os.environ.get("PYTHONSAFEPATH"), sys.path
    sys.path = [folder for folder in path if folder not in _folders]  # Python 3.12 hands it to the fork server, too
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        sys.path = path
        del os.environ["PYTHONSAFEPATH"]
        os.environ.update({} if before is None else {"PYTHONSAFEPATH": before})


def _modules(folder: Path) -> dict[str, Path]:
    """Return the modules that were imported from `folder` itself, by name, and their files; none of ours."""
    found = {}
    for name, module in list(sys.modules.items()):
        top = folder / name.partition(".")[0]
        if top.name not in OURS and (file := getattr(module, "__file__", None)):
            path = Path(file)
            if path == top.with_suffix(".py") or path.is_relative_to(top):
                found[name] = path
    return found
