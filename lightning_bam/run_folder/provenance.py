"""With what and where a run is trained: versions, commit, machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lightning_bam.config import Run

HOME: Final = Path(__file__).resolve().parent.parent
WORKSPACE: Final = ":4096:8"
"""What CUBLAS_WORKSPACE_CONFIG must be, or ":16:8", for deterministic matrix products on CUDA."""
CPU_SETTINGS: Final = (
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "TORCH_MKLDNN_MATMUL_MIN_DIM",
    "TORCH_MKLDNN_MATMUL_MIN_SIZE",
)
"""Variables by which oneDNN, MKL and torch choose other kernels on a CPU. (Those that set a number of threads change
nothing: a run has its own; ATEN_CPU_CAPABILITY shows in what torch says of itself.)"""
GPU_SETTINGS: Final = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUBLASLT_WORKSPACE_SIZE",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_CUDNN_V8_API_DISABLED",
    "TORCH_CUDNN_USE_HEURISTIC_MODE_B",
    "TORCH_BLAS_PREFER_CUBLASLT",
    "DISABLE_ADDMM_CUDA_LT",
    "PYTORCH_TUNABLEOP_ENABLED",
    "NCCL_ALGO",
    "NCCL_PROTO",
)
"""The same on a GPU, by cuBLAS, cuDNN, NCCL and torch."""


@lru_cache(maxsize=1)
def commit() -> str:
    """Return the commit that the package is checked out at, `f7d7e080c8fd`; where modified `f7d7e080c8fd+1a2b3c4d`.

    What follows the `+` is a hash of the sources, alone outside a checkout.
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


def settings(names: Sequence[str]) -> str:
    """Return which of these variables are set in a way of their own, as ` (MKL_CBWR=COMPATIBLE)`; empty without any."""
    usual = {"CUBLAS_WORKSPACE_CONFIG": WORKSPACE}
    values = {name: os.environ[name] for name in names if os.environ.get(name, "") not in ("", usual.get(name))}
    text = ", ".join(f"{name}={value[:40]}" for name, value in values.items())
    return f" ({text})" if text else ""


@lru_cache(maxsize=1)
def processor() -> str | None:
    """Return the model of this machine's processor, as `AMD EPYC 7B13`; None where the system does not say."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            name, _, model = line.partition(":")
            if name.strip() == "model name":
                return " ".join(model.split())[:200] or None
    return platform.processor() or None


def packages(run: Run) -> dict[str, str]:
    """Return the versions of the optional packages that build parts of a run; one that is missing is left out."""
    found = {}
    for name in sorted(run.packages):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def provenance(run: Run | None = None) -> dict[str, str | None]:
    """Return versions of what can change a number, the commit, the host, and torch's vector instructions (`AVX2`).

    Versions of optional packages are those of what builds parts of `run`.
    """
    import torch

    return {
        "version": version("lightning-bam"),
        "commit": commit(),
        "torch": version("torch"),
        "torchvision": version("torchvision"),
        **(packages(run) if run is not None else {}),
        "pytorch_lightning": version("pytorch-lightning"),
        "python": platform.python_version(),
        "host": platform.node(),
        "cpu": torch.backends.cpu.get_cpu_capability() + settings(CPU_SETTINGS),
    }
