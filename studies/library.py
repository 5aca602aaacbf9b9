"""From what a person types to a study: a catalogue name, or a Python file of their own."""

from __future__ import annotations

import pkgutil
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pydantic

import studies.catalogue
import studies.spaces
from lightning_bam.config import ConfigError, nearest
from lightning_bam.config.spec import first_problem
from studies.definition.study import Study
from studies.errors import StudyError
from studies.search.space import Space
from studies.workers.import_path import allow

T = TypeVar("T", Study, Space)


def catalogue() -> dict[str, Study]:
    """Return the studies that come with the package, by name."""
    return {study.name: study for study in _defined_in(studies.catalogue, "STUDY")}


def spaces() -> dict[str, Space]:
    """Return the search spaces that come with the package, by name."""
    return {space.name: space for space in _defined_in(studies.spaces, "SPACE")}


def find_study(name: str) -> Study:
    """Return the study of that name, or the `STUDY` of that Python file.

    Raises:
        StudyError: no such study (with the nearest name), no such file, or a file that defines none.

    """
    return _from_file(name, Study) if _is_file(name) else _named(name, "study", catalogue())


def find_space(name: str) -> Space:
    """Return the search space of that name, or the `SPACE` of that Python file.

    Raises:
        StudyError: no such space (with the nearest name), no such file, or a file that defines none.

    """
    return _from_file(name, Space) if _is_file(name) else _named(name, "space", spaces())


def _defined_in(package: ModuleType, variable: str) -> list[Any]:
    names = [f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
    return [getattr(import_module(name), variable) for name in names]


def _named(name: str, noun: str, known: Mapping[str, T]) -> T:
    if name not in known:
        if name in (spaces() if noun == "study" else catalogue()):
            raise StudyError(f"{noun} {name!r}: is {_other(noun, name)}")
        raise StudyError(f"{noun} {name!r}: no such {noun}; {nearest(name, known)} (or give a path to a .py file)")
    return known[name]


def _other(noun: str, name: str) -> str:
    """Say what is asked for with `name`, where it is no `noun`."""
    return f"a search space, for `bam search {name}`" if noun == "study" else f"a study, for `bam run {name}`"


def _is_file(name: str) -> bool:
    return name.endswith(".py") or "/" in name


def _from_file(name: str, wanted: type[T]) -> T:
    path, variable = Path(name), wanted.__name__.upper()
    if not path.is_file():
        raise StudyError(f"{name}: {'is a folder; give a Python file' if path.is_dir() else 'no such file'}")
    allow(path)
    try:
        names = _run(path)
    except (StudyError, ConfigError) as error:
        raise StudyError(f"{name}{_line(error, path)}: {error}") from None
    except pydantic.ValidationError as error:
        raise StudyError(f"{name}{_line(error, path)}: {error.title}.{first_problem(error)}") from None
    except SystemExit as error:
        left = f"leaves with sys.exit({'' if error.code is None else repr(error.code)})"
        raise StudyError(f"{name}{_line(error, path)}: {left}; it has only to define {variable}") from None
    except Exception as error:  # any mistake in a person's file is theirs to read, in one line
        message = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise StudyError(f"{name}{_line(error, path)}: {message}") from None
    if variable not in names:
        other, noun = (Space, "study") if wanted is Study else (Study, "space")
        theirs = other.__name__.upper()
        told = f"; its {theirs} is {_other(noun, name)}" if isinstance(names.get(theirs), other) else ""
        raise StudyError(f"{name}: defines no {variable}{told}")
    found = names[variable]
    if not isinstance(found, wanted):
        raise StudyError(f"{name}: {variable} is {type(found).__name__}, must be a studies.{wanted.__name__}")
    return found


def _run(path: Path) -> dict[str, Any]:
    """Run the source that stands in a file, and nothing else that may be in it, and return its names.

    `runpy` would run an archive that is hidden behind the source instead.
    """
    module = ModuleType("<study>")
    module.__file__ = str(path.resolve())
    sys.modules[module.__name__] = module  # dataclasses and pydantic look their names up there
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    finally:
        del sys.modules[module.__name__]
    return vars(module)


def _line(error: BaseException, path: Path) -> str:
    """Write in which line of the file it went wrong; nothing where that is not known."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    return f", line {line}" if line else ""
