"""The installed packages, the memory, and what torch can do here."""

import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Final

import psutil
from packaging.requirements import Requirement

from lightning_bam.cores import cores
from lightning_bam.user_code.imports import OURS
from studies.doctor import Finding
from studies.job.devices import visible_gpus
from studies.workers.launch import ask

SHOWN: Final = ("lightning-bam", "torch", "torchvision", "pytorch-lightning", "optuna", "wandb")
GIB: Final = 2**30
A_RUN: Final = 1.0
"""GiB of memory that a small run takes on a CPU (torch loaded and a ResNet8 in training take 0.6 to 0.8)."""
LOOPBACK: Final = "ranks meet on 127.0.0.1: `ip link set lo up`; against a firewall: iptables -I INPUT -i lo -j ACCEPT"


def versions() -> Iterator[Finding]:
    """Compare what is installed with what this project and its requirements ask for: torchvision for its torch."""
    fit = True
    for name in ("lightning-bam", *(need.name for need in _requirements("lightning-bam"))):
        for need in _requirements(name):
            version = _version(need.name)
            if version is None or not need.specifier.contains(version, prereleases=True):
                fit = False
                has = f"{need.name} {version}" if version else f"no {need.name}"
                message = f"{has}, but {name} {_version(name)} needs {need.specifier or 'one'}"
                yield Finding("versions", "problem", message, f"pip install '{need.name}{need.specifier}'")
    if fit:
        shown = [f"python {platform.python_version()}", *(f"{name} {_version(name)}" for name in SHOWN)]
        yield Finding("versions", "ok", ", ".join(shown))


def imports() -> Iterator[Finding]:
    """Look beside what a person calls for folders and files that a script or notebook there imports instead of ours.

    An installation with `pip install -e` stands behind them, even behind a folder without `__init__.py`.
    """
    packages = Path(__file__).parents[2]
    here = [Path(name) for one in OURS for name in (one, f"{one}.py")]
    for path in here:
        if path.exists() and path.absolute().parent != packages:
            found = (
                f"{path.absolute()} hides the package `{path.stem}` from scripts and notebooks that begin in its folder"
            )
            yield Finding("imports", "warning", found, f"rename it, as my_{path.name}")


def _version(name: str) -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    return None


def _requirements(name: str) -> list[Requirement]:
    """Return what a distribution needs on this machine, without its extras; nothing where it is not installed."""
    needs = map(Requirement, metadata.requires(name) or [] if _version(name) else [])
    return [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]


def free_memory() -> int:
    """Return how many bytes this process and its children may still take, by the machine and by the cgroup."""
    free = int(psutil.virtual_memory().available)
    try:
        group = Path("/sys/fs/cgroup")
        most, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        cached = dict(line.split() for line in (group / "memory.stat").read_text().splitlines()).get("inactive_file", 0)
        return max(0, min(free, most - used + int(cached)))
    except (OSError, ValueError):  # no cgroup, or no limit ("max")
        return free


def memory() -> Iterator[Finding]:
    """Compare the free memory with what a run a core takes: the kernel kills runs that find none."""
    free, usable = free_memory() / GIB, cores()
    message = f"{free:.1f} GiB free"
    if free < A_RUN:
        mend = "end other programs, or give the container more memory"
        yield Finding("memory", "problem", f"{message}; one run on a CPU takes about {A_RUN:.0f} GiB", mend)
    elif not visible_gpus() and free < A_RUN * usable:
        mend = f"--devices cpu:{int(free / A_RUN)}"
        yield Finding("memory", "warning", f"{message} for {usable} runs at once of about {A_RUN:.0f} GiB each", mend)
    else:
        yield Finding("memory", "ok", message)


def torch(context: ForkServerContext) -> Iterator[Finding]:
    """Have a process that loads torch try it and every GPU, then another one two ranks."""
    mend = "`nvidia-smi` shows whether each GPU answers; CUDA_VISIBLE_DEVICES= leaves them out; see `dmesg`"
    for check, function, advice, limit in (("torch", "devices", mend, 120), ("ranks", "ranks", LOOPBACK, None)):
        try:
            findings = [*ask(context, "studies.doctor.torch_probe", function, None, limit=limit)]
        except RuntimeError as error:
            findings = [Finding(check, "problem", f"no answer: {error}", advice)]
        yield from findings
        if findings[0].level != "ok":
            return
