"""What goes into a bundle: the record of every run, and what else there is to a table."""

import os
import shutil
from collections.abc import Iterable, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from analysis.bundle.anonymous import Blind
from analysis.bundle.archive import Content
from analysis.formats import ENDINGS, FORMATS, render
from analysis.table.build import Table
from lightning_bam.run_folder.files import FolderError, open_plain, write_object
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.hashes import CHECKPOINT
from studies.records.records import Record

RECORD: Final = ("run.json", "manifest.json", "metrics.jsonl", "result.json")
"""The files of a run that its table is made of; its logs (`*.log`) come with them, W&B's record does not."""


def stage(records: Iterable[Record], root: Path, *, blind: Blind | None = None) -> dict[str, Content]:
    """Copy the records of runs to the empty folder `root`, and return them by their names in a bundle.

    An anonymous bundle has no logs, which hold paths, and the manifests that `blind` gives.

    Raises:
        FolderError: a file that cannot be copied, or is no plain file.
    """
    staged: dict[str, Content] = {}
    for record in records:
        source, target = record.folder.path, root / record.run.key
        names = [name for name in RECORD if record.folder.has(name)]
        logs = [] if blind else sorted(path.name for path in source.glob("*.log") if record.folder.has(path.name))
        for name in [*names, *logs]:
            target.mkdir(exist_ok=True)
            try:
                with os.fdopen(open_plain(source / name), "rb") as old, (target / name).open("xb") as new:
                    shutil.copyfileobj(old, new)
            except OSError as error:
                raise FolderError(f"{source / name}: cannot be copied ({error.strerror})") from None
            staged[f"runs/{record.run.key}/{name}"] = target / name
        if blind and "manifest.json" in names:
            write_object(target / "manifest.json", blind.manifest(record.manifest))
    return staged


def weights(folders: Iterable[RunFolder]) -> dict[str, Content]:
    """Return the last checkpoints by their names in a bundle, of those runs that have one here."""
    return {f"runs/{folder.path.name}/{CHECKPOINT}": folder.checkpoint for folder in folders if folder.has_checkpoint}


def tables(table: Table) -> dict[str, Content]:
    """Return the table in every format; text as `bam table` prints it where there is no terminal."""
    return {f"table.{ENDINGS[form]}": render(table, form).encode() for form in FORMATS}


def installed(*, anonymous: bool = False) -> Content:
    """Return the versions of all that is installed here, a line each, as pip's constraints have them.

    An anonymous list is without what comes from a folder or an address, and may be the user's own.
    """
    packages = [(str(one.metadata["Name"] or "").lower().replace("_", "-"), one) for one in distributions()]
    own = {name for name, package in packages if anonymous and package.read_text("direct_url.json")}
    pins = {name: f"{name}=={package.version}\n" for name, package in reversed(packages) if name and name not in own}
    return "".join(sorted(pins.values())).encode()


def trained_with(records: Sequence[Record]) -> list[str]:
    """Return what the manifests say of the versions and devices, one line an entry."""
    lines = []
    for entry in ("version", "commit", "torch", "torchvision", "pytorch_lightning", "python", "device", "cpu"):
        values = sorted({str(value) for record in records if (value := getattr(record.manifest, entry)) is not None})
        if values:
            lines.append(f"{entry:<18} {', '.join(values)}")
    return lines
