"""SHA-256 hashes of a finished run's files, kept in its manifest: a file that was changed since is known for changed.

A run is complete where `result.json` is, so the hashes are written before it, that of `result.json` taken from the text
that is about to be written. Whenever the process is killed, the folder is one of two things: without `result.json`, an
interrupted run, whose next attempt first drops the hashes and writes new ones in the end; or with it, and then the
hashes of what was there at that moment are in the manifest already. A complete run has a hash for each of `HASHED`, so
that none can be taken out to hide an edit. Hashes guard against accidents and edits by hand, not against somebody who
writes both the files and the manifest anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lightning_bam.run_folder.files import FolderError, object_text, open_plain
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.result import Result

CHECKPOINT: Final = "checkpoints/last.ckpt"
FILES: Final = ("run.json", "metrics.jsonl", CHECKPOINT)
"""What is hashed as it lies there, by its path in the run folder."""
HASHED: Final = (*FILES, "result.json", "manifest.json")
"""What a complete run has a hash of; that of the manifest is `seal`'s."""
ANONYMISED: Final = "anonymised"
"""The entry of a manifest from which `bam bundle --anonymous` has left out where the run was trained."""
SEALED: Final = (
    "schema",
    "key",
    "attempts",
    "first_batch",
    "first_loss",
    "data",
    "device",
    "threads",
    "world_size",
    "version",
    "commit",
    "torch",
    "torchvision",
    "pytorch_lightning",
    "python",
    "host",
    "cpu",
    "started",
    "ended",
    "fit_seconds",
    "studies",
    ANONYMISED,
)
"""Entries of the manifest that stand once the run is complete; others, as its state, may be noted later."""
UNPROVED: Final = (
    "nothing shows that the files are what the training left: restore it from a copy, or remove this run folder to "
    "train it again (`bam reproduce` compares the figures without it)"
)


def same_images(was: str, now: str) -> bool:
    """Return whether two digests are of the same images, as far as they tell.

    What a digest covers, where that is not the pixels, stands before it (`names+sizes:`); older versions wrote the
    digits alone.
    """
    return was == now or was in {part.rpartition(":")[2] for part in now.split()}


def hash_text(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, as hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def hash_file(path: Path) -> str | None:
    """Return the SHA-256 of a file as hexadecimal digits, or None where there is no such file.

    Raises:
        FolderError: it cannot be read, or is no plain file.

    """
    try:
        with os.fdopen(open_plain(path), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FolderError(f"{path}: cannot be read ({error.strerror})") from None


def seal(manifest: Mapping[str, Any]) -> str:
    """Return the hash of those entries of a manifest that no longer change."""
    return hash_text(object_text({name: manifest[name] for name in SEALED if name in manifest}))


def hashes(folder: RunFolder, result: Result) -> dict[str, str]:
    """Return the hashes of a run that has been trained to its end and whose `result` is about to be written.

    Args:
        folder: its folder; the manifest has everything but these hashes.
        result: what `folder.finish` will be given.

    Raises:
        FolderError: a file that cannot be read.

    """
    there = {name: hash_file(Path(folder.at(name))) for name in FILES}
    found = {name: digest for name, digest in there.items() if digest is not None}
    return found | {"result.json": hash_text(object_text(result.told())), "manifest.json": seal(folder.manifest())}


def recorded(folder: RunFolder) -> dict[str, str]:
    """Return the hashes in a complete run's manifest, one for each of `HASHED`.

    Raises:
        FolderError: a manifest that cannot be read, or that has other hashes, not all of them, or none.

    """
    noted, path = folder.manifest().get("sha256"), f"{folder.path}/manifest.json"
    if not noted:
        raise FolderError(f"{path}: has no hashes (sha256), as every finished run has; {UNPROVED}")
    if not isinstance(noted, dict) or not all(isinstance(item, str) for item in noted.values()):
        raise FolderError(f"{path}: its sha256 is {str(noted)[:40]!r}, not a hash for each file; {UNPROVED}")
    if lacking := [name for name in HASHED if name not in noted]:
        raise FolderError(f"{path}: its sha256 has no hash of {', '.join(lacking)}; {UNPROVED}")
    if others := sorted(set(noted) - set(HASHED)):
        raise FolderError(f"{path}: its sha256 has a hash of {others[0][:40]!r}, which is no file of a run; {UNPROVED}")
    return noted


def altered(folder: RunFolder, noted: Mapping[str, str]) -> dict[str, str | None]:
    """Return the files that are not what the training left, with what they hash to now; None for one that is gone.

    Args:
        folder: of a complete run.
        noted: its recorded hashes.

    Raises:
        FolderError: a file that cannot be read.

    """
    now = {
        name: seal(folder.manifest()) if name == "manifest.json" else hash_file(Path(folder.at(name))) for name in noted
    }
    return {name: digest for name, digest in now.items() if digest != noted[name]}
