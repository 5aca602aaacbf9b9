"""From what a person types to a study: a catalogue name, or a Python file of their own."""

import pkgutil
import traceback
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pydantic

import studies.catalogue
import studies.spaces
from lightning_bam.config import ConfigError, nearest
from lightning_bam.config.spec import first_problem
from lightning_bam.user_code.load import execute
from studies.definition.study import Study
from studies.errors import StudyError
from studies.search.space import Space

T = TypeVar("T", Study, Space)


def catalogue() -> dict[str, Study]:
    """Return the studies that come with the package, by name."""
    return _package(studies.catalogue, Study)


def spaces() -> dict[str, Space]:
    """Return the search spaces that come with the package, by name."""
    return _package(studies.spaces, Space)


def find_study(name: str) -> Study:
    """Return the study of that name, or the `STUDY` of that Python file; raises StudyError where there is none."""
    return _from_file(name, Study) if is_file(name) else _from_package(name, "study", catalogue(), spaces())


def find_space(name: str) -> Space:
    """Return the search space of that name, or the `SPACE` of that Python file; raises StudyError for none."""
    return _from_file(name, Space) if is_file(name) else _from_package(name, "space", spaces(), catalogue())


def is_file(name: str) -> bool:
    """Say whether a name is one of a Python file."""
    return name.endswith(".py") or "/" in name


def _package(package: ModuleType, cls: type[T]) -> dict[str, T]:
    modules = [import_module(f"{package.__name__}.{module.name}") for module in pkgutil.iter_modules(package.__path__)]
    items: list[T] = [getattr(module, cls.__name__.upper()) for module in modules]
    return {item.name: item for item in items}


def _from_package(name: str, noun: str, items: Mapping[str, T], others: Mapping[str, Study | Space]) -> T:
    if name in others:
        raise StudyError(f"{noun} {name!r}: is {_use(others[name], name)}")
    if name not in items:
        if Path(name).is_file():
            raise StudyError(f"{noun} {name!r}: is no Python file; give a .py file that defines {noun.upper()}")
        beside = f"{name}.py"
        near = f"{nearest(name, items)} (or give a path to a .py file)"
        raise StudyError(
            f"{noun} {name!r}: no such {noun}; {f'did you mean {beside!r}?' if Path(beside).is_file() else near}"
        )
    return items[name]


def _use(item: Study | Space, name: str) -> str:
    """Say what is trained with what."""
    return f"a study, for `bam run {name}`" if isinstance(item, Study) else f"a search space, for `bam search {name}`"


def _from_file(name: str, cls: type[T]) -> T:
    path, variable = Path(name), cls.__name__.upper()
    if not path.is_file():
        raise StudyError(f"{name}: {'is a folder; give a Python file' if path.is_dir() else 'no such file'}")
    try:
        names = execute(path)
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
        other = names.get("SPACE" if cls is Study else "STUDY")
        use = f"; its {type(other).__name__.upper()} is {_use(other, name)}" if isinstance(other, Study | Space) else ""
        raise StudyError(f"{name}: defines no {variable}{use}")
    item = names[variable]
    if not isinstance(item, cls):
        raise StudyError(f"{name}: {variable} is {type(item).__name__}, must be a studies.{cls.__name__}")
    return item


def _line(error: BaseException, path: Path) -> str:
    """Write in which line of the file it went wrong; nothing where that is not known."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    return f", line {line}" if line else ""
