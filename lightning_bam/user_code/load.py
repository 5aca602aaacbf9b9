"""A study's file run as source, and what of a run stands in files of the user's own."""

import sys
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from lightning_bam.config import ConfigError, Run
from lightning_bam.config.spec import KINDS, Part, forget_own
from lightning_bam.user_code.imports import allow, import_beside

STUDY: Final = "<study>"
"""The module that a study's file is while it is run, and for the classes in it."""


class Source(NamedTuple):
    """Where a class of a user's own stands: its file, and the module that it was imported as, or `STUDY`."""

    file: str
    module: str


def execute(path: Path) -> dict[str, Any]:
    """Run the source that stands in a file, and nothing else that may be in it, and return its names.

    It may import what lies beside it; what an earlier file has imported or defined is forgotten. `runpy` would run an
    archive that is hidden behind the source instead.
    """
    allow(path)
    forget_own()
    return _run(path)


def _run(path: Path) -> dict[str, Any]:
    module = ModuleType(STUDY)
    module.__file__ = str(path.resolve())
    outer = sys.modules.get(STUDY)
    sys.modules[STUDY] = module  # dataclasses and pydantic look their names up there
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    finally:
        del sys.modules[STUDY]
        sys.modules.update({STUDY: outer} if outer is not None else {})
    return vars(module)


def own_parts(run: Run) -> list[Part]:
    """Return the parts of a run that are a user's own: of the data, the backbone and the attention, in this order."""
    parts = [getattr(run, field.name) for field in fields(run)]
    return [part for part in parts if isinstance(part, Part) and part.code]


def sources(run: Run) -> tuple[Source, ...]:
    """Return where the classes of a run stand that are a user's own."""
    modules = {(part.file, type(part).__module__) for part in own_parts(run)}
    return tuple(sorted(Source(file, STUDY if module == "__main__" else module) for file, module in modules))


def unknown(run: Run) -> list[Part]:
    """Return the parts of a run that are a user's own and whose class has not been read from a file."""
    return [part for part in own_parts(run) if not part.file]


def load_class(file: str, module: str, name: str) -> Any:
    """Return a class of a user's own; ConfigError, in a line, where its file cannot be run, or has none of the name."""
    load([Source(file, module)])
    cls = next((cls for kinds in KINDS.values() for cls in kinds.values() if cls.__name__ == name), None)
    if cls is None or not getattr(cls, "code", ""):
        raise ConfigError(f"{file}: defines no {name}")
    return cls


def load(places: Iterable[Source]) -> None:
    """Run the files in which classes of a user's own stand; ConfigError, in a line, for one that cannot be run."""
    for file, module in places:
        path = Path(file)
        try:
            if module == STUDY:
                allow(path)
                _run(path)
            else:
                import_beside(path, module)
        except Exception as error:  # any mistake in a person's file is theirs to read, in one line
            raise ConfigError(f"{file}: {type(error).__name__}: {' '.join(str(error).split())}") from error
