"""From what a person types to a study: a catalogue name, or a Python file of their own."""

from __future__ import annotations

import pkgutil
import runpy
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import pydantic

import studies.catalogue
import studies.spaces
from lightning_bam.config import ConfigError, nearest
from lightning_bam.config.spec import first_problem
from studies.space import Space
from studies.study import Study, StudyError


def catalogue() -> dict[str, Study]:
    """Return the studies that come with the package, by name."""
    modules = [f"studies.catalogue.{m.name}" for m in pkgutil.iter_modules(studies.catalogue.__path__)]
    found = [import_module(name).STUDY for name in modules]
    return {study.name: study for study in found}


def spaces() -> dict[str, Space]:
    """Return the search spaces that come with the package, by name."""
    modules = [f"studies.spaces.{m.name}" for m in pkgutil.iter_modules(studies.spaces.__path__)]
    found = [import_module(name).SPACE for name in modules]
    return {space.name: space for space in found}


def find_study(name: str) -> Study:
    """Return the study of that name, or the `STUDY` of that Python file.

    Raises:
        StudyError: no such study (with the nearest name), no such file, or a file that defines none.

    """
    if not _is_file(name):
        known = catalogue()
        if name not in known:
            raise StudyError(f"study {name!r}: no such study; {nearest(name, known)} (or give a path to a .py file)")
        return known[name]
    study = _from_file(name, "STUDY")
    if not isinstance(study, Study):
        raise StudyError(f"{name}: STUDY is {type(study).__name__}, must be a studies.Study")
    return study


def find_space(name: str) -> Space:
    """Return the search space of that name, or the `SPACE` of that Python file.

    Raises:
        StudyError: no such space (with the nearest name), no such file, or a file that defines none.

    """
    if not _is_file(name):
        known = spaces()
        if name not in known:
            raise StudyError(f"space {name!r}: no such space; {nearest(name, known)} (or give a path to a .py file)")
        return known[name]
    space = _from_file(name, "SPACE")
    if not isinstance(space, Space):
        raise StudyError(f"{name}: SPACE is {type(space).__name__}, must be a studies.Space")
    return space


def _is_file(name: str) -> bool:
    return name.endswith(".py") or "/" in name


def _from_file(name: str, variable: str) -> Any:
    path = Path(name)
    if not path.is_file():
        raise StudyError(f"{name}: no such file")
    try:
        names = runpy.run_path(str(path))
    except (StudyError, ConfigError) as error:
        raise StudyError(f"{name}: {error}") from None
    except pydantic.ValidationError as error:
        raise StudyError(f"{name}, line {_line(error, path)}: {error.title}.{first_problem(error)}") from None
    except Exception as error:  # any mistake in a person's file is theirs to read, in one line
        raise StudyError(f"{name}, line {_line(error, path)}: {type(error).__name__}: {error}") from None
    if variable not in names:
        raise StudyError(f"{name}: defines no {variable}")
    return names[variable]


def _line(error: Exception, path: Path) -> int:
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return (lines[-1] if lines else 0) or 0
