"""Counts that are kept between calls: a small file for each network, under the user's cache folder.

A file is named after the network and the versions of torch and torchvision, and says with which source of
`lightning_bam` it was counted; where any of that differs, or the file is torn or not ours, the network is counted anew
and the file replaced in one step. So processes may share the folder, and removing it costs nothing but time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import lightning_bam
from lightning_bam.config import Run, to_dict
from lightning_bam.run_folder.files import FolderError, write_object


class Counts(NamedTuple):
    """`params` of a network, and `macs` for one image."""

    params: int
    macs: int


def cache_dir() -> Path:
    """Return where counts lie: in `$BAM_CACHE`, else in the user's cache folder.

    Raises:
        RuntimeError: this user has no home folder.

    """
    home = os.environ.get("BAM_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "lightning-bam")
    return Path(home, "counts").expanduser()


def network(run: Run) -> dict[str, Any]:
    """Return what of a run decides its counts: its network, where attention stands, the image and the classes."""
    data = to_dict(run)
    return {
        "backbone": data["backbone"],
        "attention": data["attention"],
        "placement": data["placement"] if run.attention is not None else None,
        "shape": list(run.dataset.shape),
        "classes": run.dataset.classes,
    }


def key_of(net: Mapping[str, Any]) -> str:
    """Return the name of a network's file."""
    text = json.dumps([net, version("torch"), version("torchvision")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def recall(key: str, net: Mapping[str, Any]) -> Counts | None:
    """Return the counts of a network, or None where they are not known for this source."""
    try:
        found = json.loads((cache_dir() / f"{key}.json").read_text())
        counts = Counts(found["params"], found["macs"])
        same = found["source"] == source() and found["network"] == json.loads(json.dumps(net))
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return None
    return counts if same and all(type(count) is int and count >= 0 for count in counts) else None


def keep(key: str, net: Mapping[str, Any], counts: Counts) -> None:
    """Keep the counts of a network; where that cannot be, they are not kept."""
    with suppress(OSError, RuntimeError, FolderError):
        cache_dir().mkdir(parents=True, exist_ok=True)
        write_object(cache_dir() / f"{key}.json", {**counts._asdict(), "source": source(), "network": net})


@cache
def source() -> str:
    """Return a digest of every source file of `lightning_bam`, any of which may decide a count."""
    home = Path(lightning_bam.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        digest.update(f"{path.relative_to(home)}\n".encode() + path.read_bytes())
    return digest.hexdigest()
