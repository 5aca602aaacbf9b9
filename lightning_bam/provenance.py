"""With what and where a run is trained: versions, commit, machine."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

HOME: Final = Path(__file__).resolve().parent


@lru_cache(maxsize=1)
def commit() -> str:
    """Return which code this is: `f7d7e080c8fd`, the commit that the package is checked out at.

    A modified one is `f7d7e080c8fd+1a2b3c4d`, with a hash of its sources, so that two modifications have two names;
    outside a checkout there is only the hash, `+1a2b3c4d`.
    """

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(HOME), *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) == HOME.parent and git("ls-files", "__init__.py"):
            modified = git("status", "--porcelain", "--", str(HOME))
            return git("rev-parse", "--short=12", "HEAD") + (f"+{sources(HOME)}" if modified else "")
    except (OSError, subprocess.SubprocessError):
        pass  # no git, or no repository
    return f"+{sources(HOME)}"


def sources(home: Path) -> str:
    """Return eight hex digits of a hash of the names and contents of all Python files below `home`."""
    digest = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(home).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:8]


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
