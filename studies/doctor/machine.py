"""Cores, memory, and what torch can do with them and with the GPUs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from lightning_bam.cores import cores
from studies.doctor.finding import Finding, Scene, ok, problem, warning
from studies.job.devices import visible_gpus
from studies.workers.launch import ask

GIB: Final = 2**30
PATIENCE: Final = 120
"""Seconds after which a GPU that does not answer is given up."""
A_RUN: Final = 1.0
"""GiB of memory that a small run takes on a CPU (torch loaded and a ResNet8 in training take 0.6 to 0.8)."""
BUSY: Final = 1.5
"""Load in multiples of the cores above which runs wait for other processes."""


def processor(scene: Scene) -> Iterator[Finding]:  # noqa: ARG001
    """Count the cores that this process may use, and see how busy they are."""
    usable, there = cores(), os.cpu_count() or 1
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    limits = [f"bound to {bound}"] if bound < there else []
    limits += ["the cgroup's quota allows no more"] if usable < bound else []
    found = f"{usable} of {there} usable" + (f" ({', '.join(limits)})" if limits else "")
    load = psutil.getloadavg()[0]
    if load > BUSY * usable:
        yield warning(
            "cores",
            f"{found}, load {load:.1f}: other processes use them",
            f"expect runs to take about {load / usable:.1f} times as long, or use fewer with --devices cpu:N",
        )
    else:
        yield ok("cores", f"{found}, load {load:.1f}")


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


def memory(scene: Scene) -> Iterator[Finding]:  # noqa: ARG001
    """Compare the free memory with what a run a core takes."""
    free, usable = free_memory() / GIB, cores()
    found = f"{free:.1f} GiB free"
    if free < A_RUN:
        mend = "end other programs, or give the container more memory"
        yield problem("memory", f"{found}; one run on a CPU takes about {A_RUN:.0f} GiB", mend)
    elif not visible_gpus() and free < A_RUN * usable:
        mend = f"--devices cpu:{int(free / A_RUN)}"
        yield warning("memory", f"{found} for {usable} runs at once of about {A_RUN:.0f} GiB each", mend)
    else:
        yield ok("memory", found)


def shared_memory(scene: Scene) -> Iterator[Finding]:  # noqa: ARG001
    """Look at /dev/shm, through which DataLoader workers hand over batches and NCCL's ranks talk."""
    try:
        state = os.statvfs("/dev/shm")
    except FileNotFoundError:
        yield ok("shared memory", "no /dev/shm on this system")
        return
    free = state.f_bavail * state.f_frsize / GIB
    found = f"/dev/shm has {free:.2f} GiB free"
    if free < 1:
        mend = "docker run --shm-size=8g (or --ipc=host), or BAM_WORKERS=0; `ls -lS /dev/shm` shows what fills it"
        yield warning("shared memory", f"{found}; workers that decode ImageNet need about 1 GiB", mend)
    else:
        yield ok("shared memory", found)


def devices(scene: Scene) -> Iterator[Finding]:
    """Ask a process that has torch what it can compute with."""
    try:
        told = ask(scene.context, "studies.doctor.inside", "abilities", None, limit=PATIENCE)
    except RuntimeError as error:
        mend = "`nvidia-smi` shows whether each GPU answers; CUDA_VISIBLE_DEVICES= leaves them out; see `dmesg`"
        yield problem("torch", f"cannot say what it can compute with: {error}", mend)
        return
    if told["vision"]:
        mend = f"pip install --force-reinstall torchvision and torch {told['torch']} together, for the same platform"
        yield problem("torch", f"torch {told['torch']} and torchvision disagree: {told['vision']}", mend)
    else:
        yield ok("torch", f"loads; CPU kernels use {told['instructions']}")
    yield from _gpus(told, visible_gpus())


def _gpus(told: dict[str, object], visible: list[int]) -> Iterator[Finding]:
    """Judge the GPUs that torch told of."""
    build = f"CUDA {told['cuda']}" if told["cuda"] else "no CUDA"
    gpus = told["gpus"]
    if not isinstance(gpus, list) or not gpus:
        if not visible:
            yield ok("GPUs", f"none; runs train on cores (torch is built for {build})")
        elif not told["cuda"]:
            mend = "install the build of the same torch for CUDA, and its torchvision"
            yield problem("GPUs", f"{len(visible)} there, but torch {told['torch']} is built for CPUs", mend)
        else:
            mend = f"update the NVIDIA driver to one for {build}, or install torch for the driver's CUDA"
            yield problem("GPUs", f"{len(visible)} there, torch ({build}) uses none: {told['why']}", mend)
        return
    for gpu in gpus:
        name = f"{gpu['index']}: {gpu['name']}, {gpu['free'] / GIB:.1f} of {gpu['total'] / GIB:.1f} GiB free"
        if gpu["error"]:
            mend = f"nvidia-smi -i {gpu['index']}; leave it out with --devices, or install a torch built for it"
            yield problem("GPUs", f"{name}: cannot compute: {gpu['error']}", mend)
        elif gpu["free"] < gpu["total"] / 2:
            mend = f"nvidia-smi -i {gpu['index']} shows who; leave it out with --devices"
            yield warning("GPUs", f"{name}: somebody else uses it", mend)
        else:
            yield ok("GPUs", f"{name}; driver {told['driver']}, torch for {build}")
