"""What goes into a bundle, and a tar.gz of it: the same bytes for the same files, but for the release of zlib.

`tar xzf` and `sha256sum -c` are on every machine that trains networks, and a tar has no limit of size.
"""

import gzip
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from analysis.bundle.anonymous import Blind
from lightning_bam.run_folder.files import FolderError, open_plain, put_in_place, unwritable, write_object
from lightning_bam.run_folder.hashes import hash_file
from lightning_bam.user_code import keep
from studies.records.records import Record

SUFFIXES: Final = (".tar.gz", ".tgz")
LONG_AGO: Final = 315_532_800
"""1980-01-01 in seconds since 1970: the time of every file; at 0 GNU tar finds it implausible."""
SUMS: Final = "SHA256SUMS"
Content = bytes | Path
"""What a file holds: bytes, or those of a file on disk."""
RECORD: Final = ("run.json", "manifest.json", "metrics.jsonl", "result.json")
"""The files of a run that its table is made of; its logs (`*.log`) come with them, W&B's record does not."""


def stage(
    records: Iterable[Record], root: Path, *, blind: Blind | None = None, logs: bool = True
) -> dict[str, Content]:
    """Copy the records of runs to the empty folder `root`, and return them by their names in a bundle.

    An anonymous bundle has no `logs`, which hold paths, and the manifests that `blind` gives.
    """
    staged: dict[str, Content] = {}
    for record in records:
        source, target = record.folder.path, root / record.run.key
        names = [name for name in RECORD if record.folder.has(name)]
        printed = sorted(path.name for path in source.glob("*.log") if record.folder.has(path.name))
        for name in [*names, *(printed if logs and not blind else [])]:
            target.mkdir(exist_ok=True)
            try:
                with os.fdopen(open_plain(source / name), "rb") as old, (target / name).open("xb") as new:
                    shutil.copyfileobj(old, new)
            except OSError as error:
                raise FolderError(f"{source / name}: cannot be copied ({error.strerror})") from None
            staged[f"runs/{record.run.key}/{name}"] = target / name
        if kept := record.manifest.code:
            files = keep.read(source.parent, kept)
            keep.write(root, kept, files)
            staged |= {f"runs/{keep.FOLDER}/{kept}/{file}": root / keep.FOLDER / kept / file for file in files}
        if blind and "manifest.json" in names:
            write_object(target / "manifest.json", blind.manifest(record.manifest))
    return staged


def installed(*, anonymous: bool = False) -> Content:
    """Return the versions of all that is installed here, a line each, as pip's constraints have them.

    An anonymous list is without what comes from a folder or an address, and may be the user's own.
    """
    packages = [(str(one.metadata["Name"] or "").lower().replace("_", "-"), one) for one in distributions()]
    own = {name for name, package in packages if anonymous and package.read_text("direct_url.json")}
    pins = {name: f"{name}=={package.version}\n" for name, package in reversed(packages) if name and name not in own}
    return "".join(sorted(pins.values())).encode()


def write(path: Path, top: str, files: Mapping[str, Content]) -> int:
    """Write the files, by name, and their `SHA256SUMS` under the folder `top`; return the size in bytes."""
    lines = []
    for name, content in sorted(files.items()):
        digest = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else hash_file(content)
        lines.append(f"{digest}  {name}\n")
    try:
        with put_in_place(path) as temporary:
            with (
                temporary.open("xb") as raw,
                gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=LONG_AGO, compresslevel=6) as zipped,
                tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
            ):
                for name, content in sorted({**files, SUMS: "".join(lines).encode()}.items()):
                    _add(tar, f"{top}/{name}", content)
            return temporary.stat().st_size
    except OSError as error:
        raise unwritable(path, error) from None


def _add(tar: tarfile.TarFile, name: str, content: Content) -> None:
    info = tarfile.TarInfo(name)
    info.mtime, info.mode = LONG_AGO, 0o644
    with io.BytesIO(content) if isinstance(content, bytes) else os.fdopen(open_plain(content), "rb") as file:
        info.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        tar.addfile(info, file)
