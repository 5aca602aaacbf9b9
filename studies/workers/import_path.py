"""What lies beside a study file: the file may import it by name, behind everything that is installed.

The folder stands in nobody's `sys.path`: libraries look there for modules that they can do without (`redis`, `cython`)
and for the entry points of installed packages, and would run what somebody has put beside the study. A finder behind
all others answers for the names alone that the study's files import. Processes that are forked for runs get the same
finder; Python processes that are started anew look in no folder of their own accord: `-P`, or `safe_path` where the
words are not ours.
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, Final

OURS: Final = ("analysis", "lightning_bam", "studies")
_starting: Final = Lock()


class _Neighbours(MetaPathFinder):
    """Finds the modules beside one study file that the file, or one of them in turn, imports by name."""

    folder: str | None = None
    names: frozenset[str] = frozenset()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or self.folder is None or fullname not in self.names:
            return None
        spec = PathFinder.find_spec(fullname, [self.folder], target)
        if spec is not None:
            packages = [Path(folder) for folder in spec.submodule_search_locations or ()]
            files = [file for package in packages for file in package.rglob("*.py")] or [Path(spec.origin or "")]
            self.names |= {name for file in files for name in _names_imported_by(file)}
        return spec


_neighbours: Final = _Neighbours()


class Handed:
    """What a study's file may import, on its way to a forked process: as the first argument it comes before others.

    A pickled object of a class from beside the study can only be read where that module is found.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _serve, (_neighbours.folder, _neighbours.names)


def allow(file: Path) -> None:
    """Let `file` import what lies beside it; modules beside a file that was read earlier are forgotten.

    Two studies may each have a `models.py`.
    """
    if _neighbours.folder is not None:
        for name in _modules(Path(_neighbours.folder)):
            del sys.modules[name]
    _serve(str(file.resolve().parent), frozenset(_names_imported_by(file)))


def imported(file: Path) -> list[Path]:
    """Return the files beside `file`, or in packages there, that it has imported, sorted."""
    return sorted(set(_modules(file.resolve().parent).values()))


@contextmanager
def safe_path() -> Iterator[None]:
    """Have Python processes that are started meanwhile import what is installed, and nothing from a working directory.

    They and all that they start keep `PYTHONSAFEPATH`. One thread at a time: the environment is the process's.
    """
    with _starting:
        before = os.environ.get("PYTHONSAFEPATH")
        os.environ["PYTHONSAFEPATH"] = "1"
        try:
            yield
        finally:
            del os.environ["PYTHONSAFEPATH"]
            os.environ.update({} if before is None else {"PYTHONSAFEPATH": before})


def _serve(folder: str | None, names: frozenset[str]) -> None:
    _neighbours.folder, _neighbours.names = folder, names
    with suppress(ValueError):
        sys.meta_path.remove(_neighbours)
    sys.meta_path.append(_neighbours)  # behind the finder of an editable installation, too
    importlib.invalidate_caches()


def _names_imported_by(file: Path) -> set[str]:
    """Return the top-level names that a file imports, wherever in it; none where it cannot be read."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names} - set(OURS)


def _modules(folder: Path) -> dict[str, Path]:
    """Return the modules that were imported from `folder` itself, by name, and their files; none of ours."""
    within, found = str(folder / "_")[:-1], {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and os.path.normpath(file).startswith(within):  # of thousands of modules a few are paths worth making
            path, top = Path(file), folder / name.partition(".")[0]
            if top.name not in OURS and (path == top.with_suffix(".py") or path.is_relative_to(top)):
                found[name] = path
    return found
