"""The names that a user gives to variants of a study with `bam run --as`: what each stands for, a file a name.

A name is short for options and no more: what a run was begun for is its study, its preset and its settings, whatever
they are called.
"""

import os
import shlex
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightning_bam.config import nearest
from lightning_bam.run_folder.files import FolderError, inside, keep_object, read_object, refuse
from studies.definition.limits import LONGEST
from studies.definition.study import Study
from studies.errors import StudyError

FOLDER: Final = "variants"
"""The folder of names under the runs folder."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a name stands for: a preset, if any, and settings."""

    preset: str | None
    settings: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        preset = ["--preset", self.preset] if self.preset else []
        return shlex.join(preset + [word for name, value in self.settings for word in ("--set", f"{name}={value}")])


def _path(root: Path, study: str, name: str) -> Path:
    if not name or len(name) > LONGEST or not all(sign.isalnum() or sign in "-_." for sign in name):
        raise StudyError(f"--as {name!r}: give 1 to {LONGEST} letters, digits and signs of -_.")
    refuse(root / FOLDER, stat.S_IFDIR)
    return inside(root / FOLDER, f"{study.replace('/', '_')}+{name}.json")


def read(root: Path, study: str, name: str) -> Variant:
    """Return what a name stands for; a StudyError names the nearest one that does."""
    path = _path(root, study, name)
    if not os.path.lexists(path):
        names = names_of(root, study)
        hint = nearest(name, names) if names else "`bam run` names one, with --as beside --preset and --set"
        raise StudyError(f"--as {name}: {study} has no variant of this name under {root}; {hint}")
    return _variant(path)


def names_of(root: Path, study: str) -> dict[str, Path]:
    """Return the names of a study's variants under `root`, and the file of each."""
    first = f"{study.replace('/', '_')}+"
    paths = sorted((root / FOLDER).glob("*.json"))
    return {path.stem.removeprefix(first): path for path in paths if path.name.startswith(first)}


def names_for(root: Path, study: str, options: Sequence[str]) -> list[str]:
    """Return the names that stand for these --preset and --set; none of a file that cannot be read."""
    names = []
    for name, path in names_of(root, study).items():
        with suppress(FolderError):
            names += [name] if str(_variant(path)) == shlex.join(options) else []
    return names


def _variant(path: Path) -> Variant:
    data = read_object(path) or {}
    preset, settings = data.get("preset"), data.get("settings")
    if (
        not isinstance(preset, str | None)
        or not isinstance(settings, dict)
        or not all(isinstance(value, str) for value in settings.values())
    ):
        raise FolderError(f"{path}: edited: it has no preset and settings; remove it, and name the variant anew")
    return Variant(preset=preset, settings=tuple(settings.items()))


def keep(root: Path, study: Study, name: str, variant: Variant) -> None:
    """Let a name stand for a variant of a study, unless it stands for one."""
    path = _path(root, study.name, name)
    if name in study.presets:
        raise StudyError(f"--as {name}: is a preset of {study.name}; give another name")
    keep_object(path, {"study": study.name, "preset": variant.preset, "settings": dict(variant.settings)})
