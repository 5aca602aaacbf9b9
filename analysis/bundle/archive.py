"""A tar.gz that is the same bytes for the same files, whoever makes it and whenever.

Its compressed bytes depend on the release of zlib alone. A tar and not a zip, because `tar xzf` and the `sha256sum -c`
that goes with it are on every machine that trains networks, and because it knows no limit of size for checkpoints.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lightning_bam.run_folder.files import FolderError, open_plain, put_in_place, unwritable
from lightning_bam.run_folder.hashes import hash_file

SUFFIXES: Final = (".tar.gz", ".tgz")
LONG_AGO: Final = 315_532_800
"""1980-01-01 in seconds since 1970: the time of every file; at 0 GNU tar finds it implausible."""
SUMS: Final = "SHA256SUMS"
"""The file that has the hash of every other one, as `sha256sum -c` reads them."""

Content = bytes | Path
"""What a file holds: bytes, or those of a file on disk."""


def sums(files: Mapping[str, Content]) -> bytes:
    """Return the lines of `SHA256SUMS`, sorted by name.

    Raises:
        FolderError: a file that cannot be read.

    """
    lines = []
    for name, content in sorted(files.items()):
        digest = hash_file(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
        if digest is None:
            raise FolderError(f"{content!s}: gone while it was packed")
        lines.append(f"{digest}  {name}\n")
    return "".join(lines).encode()


def write(path: Path, top: str, files: Mapping[str, Content]) -> int:
    """Write the files and their `SHA256SUMS` under the folder `top`, sorted by name; the archive is whole or absent.

    Returns:
        its size in bytes.

    Args:
        path: the archive.
        top: the one folder that unpacking makes.
        files: name in that folder -> content.

    Raises:
        FolderError: a file that cannot be read, or the archive cannot be written.

    """
    every = {**files, SUMS: sums(files)}
    try:
        with put_in_place(path) as temporary:
            with (
                temporary.open("xb") as raw,
                gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=LONG_AGO, compresslevel=6) as packed,
                tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
            ):
                for name, content in sorted(every.items()):
                    _add(tar, f"{top}/{name}", content)
            return temporary.stat().st_size
    except OSError as error:
        raise unwritable(path, error) from None


def _add(tar: tarfile.TarFile, name: str, content: Content) -> None:
    info = tarfile.TarInfo(name)
    info.mtime, info.mode = LONG_AGO, 0o644
    if isinstance(content, bytes):
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
        return
    with os.fdopen(open_plain(content), "rb") as file:
        info.size = os.fstat(file.fileno()).st_size
        tar.addfile(info, file)
