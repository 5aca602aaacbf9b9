"""What is tried in a process that has torch loaded: its torchvision, every GPU, and two ranks that meet."""

import os
import signal
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

import torch
from torch import distributed

from studies.doctor import Finding
from studies.doctor.machine import GIB, LOOPBACK
from studies.job.devices import Slot, visible_gpus
from studies.job.job import Job
from studies.workers.process_environment import die_with_parent, redirect, scrub

NCCL: Final = "NCCL_DEBUG=INFO bam doctor says more; try NCCL_P2P_DISABLE=1, and docker run --shm-size=8g"


def devices(_: None) -> list[Finding]:
    """Try torchvision's compiled operators and every GPU."""
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    fit = Finding("torch", "ok", "loads, and fits its torchvision")
    try:
        from torchvision.ops import nms

        nms(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([0.9]), 0.5)
    except Exception as error:
        version = torch.__version__
        mend = f"pip install --force-reinstall torchvision and torch {version} together, for the same platform"
        fit = Finding("torch", "problem", f"torch {version} and torchvision disagree: {_line(error)}", mend)
    if gpus := [_gpu(index, build) for index in range(torch.cuda.device_count())]:
        return [fit, *gpus]
    if not (visible := len(visible_gpus())):
        return [fit, Finding("GPUs", "ok", f"none; runs train on cores (torch is built for {build})")]
    why = ""
    try:
        torch.zeros(1, device="cuda")
    except Exception as error:  # torch's own sentence says what is wrong with the driver
        why = _line(error)
    mend = "update the NVIDIA driver, or install torch and torchvision built for its CUDA"
    return [fit, Finding("GPUs", "problem", f"{visible} there, torch ({build}) uses none: {why}", mend)]


def _gpu(index: int, build: str) -> Finding:
    name = str(index)
    try:
        name = f"{index}: {torch.cuda.get_device_name(index)}"
        free, total = torch.cuda.mem_get_info(index)
        name = f"{name}, {free / GIB:.1f} of {total / GIB:.1f} GiB free"
        torch.ones(8, device=f"cuda:{index}").sum().item()
    except Exception as error:
        mend = f"nvidia-smi -i {index}; leave it out with --devices, or install a torch built for it"
        return Finding("GPUs", "problem", f"{name}: cannot compute: {_line(error)}", mend)
    if free < total / 2:
        mend = f"nvidia-smi -i {index} shows who; leave it out with --devices"
        return Finding("GPUs", "warning", f"{name}: somebody else uses it", mend)
    return Finding("GPUs", "ok", f"{name}; torch for {build}")


def ranks(_: None) -> list[Finding]:
    """Have the runs' own launcher start two ranks that sum a number."""
    from torch.distributed.launcher.api import elastic_launch

    from studies.workers.ranks import group  # which loads torchvision
    from studies.workers.rendezvous import Rendezvous

    started = time.monotonic()
    signal.alarm(60)  # ranks that have not met are given up, and end with this process
    scrub()
    backend, mend = ("nccl", NCCL) if torch.cuda.device_count() > 1 else ("gloo", LOOPBACK)
    job = Job(folder=Path("doctor"), study="doctor", row="doctor", slot=Slot(2))
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        redirect(log)
        try:
            with Rendezvous().open() as rendezvous:
                errors = [*filter(None, elastic_launch(group(job, rendezvous), _rank)(backend).values())]
        except Exception as error:
            lines = log.read_text(errors="replace").strip().splitlines()
            errors = [_line(error) + (f" ({lines[-1]})" if lines else "")]
    if errors:
        problem = f"{backend}: two ranks on this host cannot work together: {errors[0]}"
        return [Finding("ranks", "problem", problem, mend)]
    seconds = time.monotonic() - started
    return [Finding("ranks", "ok", f"{backend}: two ranks met and added through torch's launcher in {seconds:.1f} s")]


def _rank(backend: str) -> str:
    """Return why this rank cannot work with the other; empty where it can."""
    die_with_parent()
    try:
        rank = int(os.environ["RANK"])
        if backend == "nccl":
            torch.cuda.set_device(rank)
        distributed.init_process_group(backend, timeout=timedelta(seconds=20))
        value = torch.ones(1, device=f"cuda:{rank}" if backend == "nccl" else "cpu")
        distributed.all_reduce(value)
        value.item()  # NCCL works beside this process
        distributed.destroy_process_group()
    except Exception as error:
        return _line(error)
    return ""


def _line(error: BaseException) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"
