"""Params and MACs of runs, asked of processes that load torch so that this one need not."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import lightning_bam
from lightning_bam.config import ConfigError, Run, to_dict
from lightning_bam.run_folder.files import FolderError, write_object
from lightning_bam.run_folder.provenance import packages
from lightning_bam.user_code.load import sources


class Counts(NamedTuple):
    """`params` of a network, and `macs` for one image."""

    params: int
    macs: int


def cache_dir() -> Path:
    """Return where counts lie: in `$BAM_CACHE`, else in the user's cache folder; RuntimeError without a home folder."""
    home = os.environ.get("BAM_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "lightning-bam")
    return Path(home, "counts").expanduser()


def network(run: Run) -> dict[str, Any]:
    """Return what of a run decides its counts: its network, where attention stands, the image and the classes.

    And an optimizer that is not the usual one, which torch may refuse for this network, and the versions of optional
    packages that build it.
    """
    data, recipe = to_dict(run), run.recipe
    usual = recipe.optimizer == "sgd" and not recipe.optimizer_options
    optimizer = [recipe.optimizer, dict(recipe.optimizer_options), recipe.weight_decay > 0]
    return ({} if usual else {"optimizer": optimizer}) | {
        "backbone": data["backbone"],
        "attention": data["attention"],
        "placement": data["placement"] if run.attention is not None else None,
        "shape": list(run.dataset.shape),
        "classes": run.dataset.classes,
        **packages(run),
    }


def key_of(net: Mapping[str, Any]) -> str:
    """Return the name of a network's file: a hash of all that decides its counts."""
    text = json.dumps([net, version("torch"), version("torchvision"), source()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def read_counts(key: str) -> Counts | None:
    """Return the counts that are kept under a key, or None where there are none that can be read."""
    try:
        kept = json.loads((cache_dir() / f"{key}.json").read_text())
        counts = Counts(kept["params"], kept["macs"])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return None
    return counts if all(type(count) is int and count >= 0 for count in counts) else None


def keep_counts(key: str, counts: Counts) -> None:
    """Keep the counts of a network; where that cannot be, they are not kept."""
    with suppress(OSError, RuntimeError, FolderError):
        cache_dir().mkdir(parents=True, exist_ok=True)
        write_object(cache_dir() / f"{key}.json", counts._asdict())


@cache
def source() -> str:
    """Return a digest of every source file of `lightning_bam`, any of which may decide a count."""
    home = Path(lightning_bam.__file__).parent
    files = (f"{path.relative_to(home)}\n".encode() + path.read_bytes() for path in sorted(home.rglob("*.py")))
    return hashlib.sha256(b"".join(files)).hexdigest()


def counts(rows: Mapping[str, Run]) -> dict[str, Counts]:
    """Count each row's network exactly, on the meta device or from the cache; `ConfigError` for one that cannot be."""
    keys = {row: key_of(network(run)) for row, run in rows.items()}
    first = {key: row for row, key in reversed(keys.items())}
    kept = {key: read_counts(key) for key in first}
    missing = [row for key, row in first.items() if kept[key] is None]
    for row, answer in zip(missing, _count([rows[row] for row in missing]), strict=True):
        if isinstance(answer, str):
            raise ConfigError(f"row {row!r}: {answer}")
        kept[keys[row]] = answer
        keep_counts(keys[row], answer)
    return {row: count for row, key in keys.items() if (count := kept[key]) is not None}


def _count(runs: Sequence[Run]) -> list[Counts | str]:
    """Count in a process that loads torch; a string says why a network cannot be built."""
    if not runs:
        return []
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "lightning_bam.training.check"],
        input="".join(json.dumps([to_dict(run), sources(run)]) + "\n" for run in runs),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    if answer.returncode:
        raise RuntimeError(f"counting failed: {answer.stderr.strip().splitlines()[-1:]}")
    lines = map(json.loads, answer.stdout.splitlines())
    return [data["error"] if "error" in data else Counts(data["params"], data["macs"]) for data in lines]
