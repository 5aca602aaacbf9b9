"""The files of the user's own that a run was trained with, kept once in the runs folder."""

import ast
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from lightning_bam.config import ConfigError, Run
from lightning_bam.config.own_code import code_files, code_hash
from lightning_bam.config.spec import Part
from lightning_bam.run_folder.files import FolderError, read_bytes, refuse, replace
from lightning_bam.user_code.load import own_parts

FOLDER: Final = "code"
"""Where in the runs folder the files lie, in a folder named after a hash of their names and contents."""


def files_of(run: Run, home: Path | None = None) -> dict[str, str]:
    """Return the files in which a run's own classes stand, with all that these use, by their names from one folder.

    It is `home`, of which files elsewhere are left out, or else the one that holds them all.
    """
    paths: set[Path] = set()
    for part in own_parts(run):
        paths.update(code_files(Path(part.file), _name(part)))
    if home is not None:
        paths = {path for path in paths if path.is_relative_to(home)}
    if not paths:
        return {}
    home = home or Path(os.path.commonpath([path.parent for path in paths]))
    return {path.relative_to(home).as_posix(): path.read_text() for path in sorted(paths)}


def name_of(files: Mapping[str, str]) -> str:
    """Return 16 hex digits of the files' names and contents."""
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        digest.update(f"{name}\0{len(text)}\0{text}".encode())
    return digest.hexdigest()[:16]


def keep(root: Path, run: Run) -> str | None:
    """Keep the files of a run's own code under `root`, and return the name of their folder; None where it has none.

    ConfigError: a file has changed since it was run. FolderError: they cannot be written.
    """
    refuse_changed(run)
    files = files_of(run)
    if not files:
        return None
    name = name_of(files)
    write(root, name, files)
    return name


def refuse_changed(run: Run) -> None:
    """Raise ConfigError where the file of a run's own class computes something else than when it was read, or nothing.

    A notebook, which imports a file once, goes on with the class that it has read.
    """
    for part in own_parts(run):
        try:
            present = code_hash(Path(part.file), _name(part))
        except (OSError, SyntaxError):
            present = ""
        if present != part.code:
            again = "run the study again, in a notebook with its kernel restarted"
            raise ConfigError(f"{part.slot}={part.kind}: {part.file} has changed meanwhile; {again}")


def write(root: Path, name: str, files: Mapping[str, str]) -> None:
    """Write files under `root`, in the folder of their hash, as far as they are not there.

    FolderError: they are not the files of the hash `name`, lead out of its folder, or cannot be written.
    """
    folder = _folder(root, name)
    if name_of(files) != name or not all(map(_is_plain, files)):
        raise FolderError(f"{folder}: these are not the files of this hash")
    for file, text in files.items():
        path = folder / file
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, text)


def read(root: Path, name: str) -> dict[str, str]:
    """Return the files that are kept under a hash; FolderError where they are missing, or others."""
    folder = _folder(root, name)
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.py"))}
    files = {name: read_bytes(path).decode(errors="replace") for name, path in paths.items() if _is_plain(name)}
    if not files:
        raise FolderError(f"{folder}: no code in it, though runs were trained with it; restore it from a copy")
    if name_of(files) != name:
        raise FolderError(f"{folder}: its files are not those that runs were trained with; restore them from a copy")
    return files


def check(root: Path, run: Run, name: str | None) -> None:
    """Raise FolderError where what is kept is not the code of a run's own classes; runs none of it."""
    own = own_parts(run)
    if own and name is None:
        raise FolderError(f"manifest.json does not say where the code of {own[0].slot}={own[0].kind} is kept")
    if name is not None:
        read(root, name)
        for part in own:
            if not _defines(root / FOLDER / name, part):
                raise FolderError(
                    f"{root / FOLDER / name}: no class in it has the code {part.code} of {part.slot}={part.kind}"
                )


def _name(part: Part) -> str:
    """Return the name at the top of its file that a class is part of."""
    return type(part).__qualname__.partition(".")[0]


def _folder(root: Path, name: str) -> Path:
    for folder in (root / FOLDER, root / FOLDER / name):
        refuse(folder, stat.S_IFDIR)
    return root / FOLDER / name


def _defines(folder: Path, part: Part) -> bool:
    for path in sorted(folder.rglob("*.py")):
        try:
            names = [getattr(node, "name", "") for node in ast.parse(path.read_bytes()).body]
            if any(code_hash(path, name) == part.code for name in filter(None, names)):
                return True
        except (OSError, SyntaxError, ValueError):  # ValueError: a null byte
            continue
    return False


def _is_plain(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.suffix == ".py" and len(path.parts) < 10
