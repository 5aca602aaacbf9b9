"""What lies beside a study file: the file may import it by name, behind everything that is installed.

The folder stands in nobody's `sys.path`: libraries look there for modules that they can do without, and would run what
somebody has put beside the study. A finder behind all others answers only where the import stands in a file of that
folder. Processes that are forked for runs get the same finder; those that are started anew have `-P`.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from itertools import accumulate
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Final

OURS: Final = ("analysis", "lightning_bam", "studies")
MACHINERY: Final = ("<frozen importlib", importlib.__file__)


class _Neighbours(MetaPathFinder):
    """Finds modules in a study file's `folder` for code that lies there, and again what that has imported (`imports`)
    for whoever unpickles an object of theirs.
    """

    folder: str | None = None
    imports: frozenset[str] = frozenset()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or self.folder is None or not (fullname in self.imports or self._importer_is_inside()):
            return None
        spec = PathFinder.find_spec(fullname, [self.folder], target)
        if spec is not None:
            self.imports |= {fullname}
        return spec

    def _importer_is_inside(self) -> bool:
        """Say whether the import stands in a file of the study's folder."""
        frame: FrameType | None = sys._getframe(2)  # Python tells a finder in no other way who imports
        while frame is not None and frame.f_code.co_filename.startswith(MACHINERY):
            frame = frame.f_back
        code, here = frame.f_globals.get("__file__") if frame is not None else None, str(self.folder)
        if not isinstance(code, str) or not Path(code).is_relative_to(here):
            return False
        inner = [folder for folder in sys.path if folder != here and Path(folder).is_relative_to(here)]
        return not any(Path(code).is_relative_to(folder) for folder in inner)  # a venv in the study's folder, say


_neighbours: Final = _Neighbours()


class StudyImports:
    """What a study's file may import, as a forked process's first argument: others may be of classes from there."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _serve, (_neighbours.folder, _neighbours.imports)


def allow(file: Path) -> None:
    """Let `file` import what lies beside it, and nothing beside an earlier file: both may have a `models.py`."""
    if _neighbours.folder is not None:
        for name in _modules(Path(_neighbours.folder)):
            for package in accumulate(name.split("."), "{}.{}".format):  # one without __init__.py has no file
                sys.modules.pop(package, None)
    _serve(str(file.resolve().parent), frozenset())


def import_beside(file: Path, module: str) -> None:
    """Import the module that `file` was imported as, from where it was."""
    depth = module.count(".") + (file.name == "__init__.py")
    allow(file.parents[depth] / file.name)
    _serve(_neighbours.folder, frozenset({module.partition(".")[0]}))
    importlib.import_module(module)


def imported(file: Path) -> list[Path]:
    """Return the files beside `file`, or in packages there, that it has imported, sorted."""
    return sorted(set(_modules(file.resolve().parent).values()))


def _serve(folder: str | None, imports: frozenset[str]) -> None:
    _neighbours.folder, _neighbours.imports = folder, imports
    with suppress(ValueError):
        sys.meta_path.remove(_neighbours)
    sys.meta_path.append(_neighbours)  # behind the finder of an editable installation, too
    importlib.invalidate_caches()


def _modules(folder: Path) -> dict[str, Path]:
    """Return the modules that were imported from `folder` itself, by name, and their files; none of ours."""
    within, modules = str(folder / "_")[:-1], {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and os.path.normpath(file).startswith(within):  # of thousands of modules a few are paths worth making
            path, top = Path(file), folder / name.partition(".")[0]
            if top.name not in OURS and (path == top.with_suffix(".py") or path.is_relative_to(top)):
                modules[name] = path
    return modules
