"""A tar.gz that is the same bytes for the same files, whoever makes it and whenever, but for the release of zlib.

`tar xzf` and `sha256sum -c` are on every machine that trains networks, and a tar has no limit of size.
"""

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
Content = bytes | Path
"""What a file holds: bytes, or those of a file on disk."""


def write(path: Path, top: str, files: Mapping[str, Content]) -> int:
    """Write the files, by name, and their `SHA256SUMS` under the folder `top`; return the size in bytes.

    Raises:
        FolderError: a file that cannot be read, or the archive cannot be written; then there is none.
    """
    lines = [f"{_digest(content)}  {name}\n" for name, content in sorted(files.items())]
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


def _digest(content: Content) -> str:
    digest = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else hash_file(content)
    if digest is None:
        raise FolderError(f"{content!s}: gone while it was packed")
    return digest


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
