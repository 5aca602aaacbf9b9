"""SHA-256 hashes of a finished run's files, kept in its manifest, by which a later change shows.

They are written before `result.json`, with which a run is complete: one that is killed is interrupted, or has all. They
guard against accidents and edits by hand, not against somebody who writes both the files and the manifest anew.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lightning_bam.json_text import short
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
    *("schema", "key", "attempts", "first_batch", "first_loss", "data", "device", "threads", "world_size"),
    *("version", "commit", "torch", "torchvision", "pytorch_lightning", "python", "host", "cpu"),
    *("started", "ended", "fit_seconds", "studies", ANONYMISED, "cost", "runs_per_device"),
)
"""Entries of the manifest that stay once the run is complete, in the order of the hash; others may be noted later."""
UNPROVED: Final = (
    "nothing shows that the files are what the training left: restore it from a copy, or remove this run folder to "
    "train it again (`bam reproduce` compares the figures without it)"
)


def same_images(was: str, now: str) -> bool:
    """Return whether two digests are of the same images; old ones lack what stands before the digits."""
    return was == now or was in {part.rpartition(":")[2] for part in now.split()}


def hash_text(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, as hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def hash_file(path: Path | str) -> str | None:
    """Return the SHA-256 of a plain file as hexadecimal digits, None where it is missing, FolderError for any other."""
    try:
        with os.fdopen(open_plain(path), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FolderError(f"{path}: cannot be read ({error.strerror})") from None


def seal(entries: Mapping[str, Any]) -> str:
    """Return the hash of those entries of a manifest that no longer change."""
    return hash_text(object_text({name: entries[name] for name in SEALED if name in entries}))


def _hash(folder: RunFolder, name: str) -> str | None:
    return seal(folder.manifest().entries) if name == "manifest.json" else hash_file(folder.at(name))


def hashes(folder: RunFolder, result: Result) -> dict[str, str]:
    """Return the hashes of a run whose manifest lacks only these, and whose `result` is about to be written."""
    digests = {name: _hash(folder, name) for name in (*FILES, "manifest.json")}
    digests["result.json"] = hash_text(object_text(result.figures()))
    return {name: digest for name in HASHED if (digest := digests[name]) is not None}


def recorded(folder: RunFolder) -> dict[str, str]:
    """Return the hashes in a complete run's manifest; FolderError where there is not one for each of `HASHED`."""
    digests, path = folder.manifest().sha256, f"{folder.path}/manifest.json"
    if not digests:
        raise FolderError(f"{path}: has no hashes (sha256), as every finished run has; {UNPROVED}")
    if not isinstance(digests, dict) or set(digests) != set(HASHED) or {*map(type, digests.values())} != {str}:
        raise FolderError(
            f"{path}: its sha256 is {short(digests)}, not a hash of each of {', '.join(HASHED)}; {UNPROVED}"
        )
    return digests


def altered(folder: RunFolder, digests: Mapping[str, str]) -> dict[str, str | None]:
    """Return the files whose hash is not the recorded one, with their hash now; None for a file that is missing."""
    now = {name: _hash(folder, name) for name in digests}
    return {name: digest for name, digest in now.items() if digest != digests[name]}
