"""With what and where a run is trained: versions, commit, machine."""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path


@lru_cache(maxsize=1)
def commit() -> str | None:
    """Return the commit that this package is checked out at, with `+` if it is modified, or None outside a checkout."""
    home = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(home), *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != home.parent or not git("ls-files", "__init__.py"):
            return None
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--", str(home)) else "")
    except (OSError, subprocess.SubprocessError):
        return None


def provenance() -> dict[str, str | None]:
    """Return versions of what can change a number, the commit, the host and its processor's instruction set.

    `cpu` is the widest vector instructions that torch uses (`AVX2`, `AVX512`); each sums in an order of its own.
    """
    import torch

    return {
        "version": version("lightning-bam"),
        "commit": commit(),
        "torch": version("torch"),
        "torchvision": version("torchvision"),
        "pytorch_lightning": version("pytorch-lightning"),
        "python": platform.python_version(),
        "host": platform.node(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
