"""What the doctor asks of a process that has torch loaded."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import torch
from torch import distributed
from torch.distributed.launcher.api import elastic_launch

from studies.job.devices import Slot
from studies.job.job import Job
from studies.workers.process_environment import die_with_parent, redirect, scrub
from studies.workers.ranks import group
from studies.workers.rendezvous import Rendezvous

LIMIT: Final = 60
"""Seconds after which ranks that have not met are given up."""


def abilities(_: None) -> dict[str, Any]:
    """Return what torch can compute with; every GPU is tried."""
    why, count = "", torch.cuda.device_count()
    if torch.version.cuda and not count:
        try:
            torch.zeros(1, device="cuda")
        except Exception as error:  # torch's own sentence says what is wrong with the driver
            why = _line(error)
    return {
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
        "driver": _driver(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "vision": _vision(),
        "why": why,
        "gpus": [_gpu(index) for index in range(count)],
    }


def _gpu(index: int) -> dict[str, Any]:
    found: dict[str, Any] = {"index": index, "name": "?", "free": 0, "total": 0, "error": ""}
    try:
        found["name"] = torch.cuda.get_device_name(index)
        found["free"], found["total"] = torch.cuda.mem_get_info(index)
        total = float(torch.ones(8, device=f"cuda:{index}").sum())
        found["error"] = "" if total == 8 else f"the sum of eight ones is {total}"
    except Exception as error:
        found["error"] = _line(error)
    return found


def _vision() -> str:
    """Return why torchvision's compiled operators do not work with this torch; empty where they do."""
    try:
        from torchvision.ops import nms

        kept = nms(torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9]]), torch.tensor([0.9, 0.8]), 0.5)
        return "" if kept.tolist() == [0] else f"nms keeps {kept.tolist()} of two equal boxes"
    except Exception as error:
        return _line(error)


def _driver() -> str:
    with suppress(OSError, IndexError):
        return Path("/proc/driver/nvidia/version").read_text().split("Kernel Module")[1].split()[0]
    return "unknown"


def all_reduce(_: None) -> dict[str, str]:
    """Sum over two ranks that the runs' own launcher starts; return the backend and what went wrong, if anything."""
    scrub()
    backend = "nccl" if torch.cuda.device_count() > 1 else "gloo"
    job = Job(folder=Path("doctor"), study="doctor", row="doctor", slot=Slot(2))
    signal.alarm(LIMIT)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        redirect(log)
        try:
            with Rendezvous().open() as meeting:
                answers = elastic_launch(group(job, meeting), _rank)(backend)
        except Exception as error:
            words = log.read_text(errors="replace").strip().splitlines()
            return {"backend": backend, "error": _line(error) + (f" ({words[-1]})" if words else "")}
    return {"backend": backend, "error": next(filter(None, answers.values()), "")}


def _rank(backend: str) -> str:
    die_with_parent()
    try:
        rank = int(os.environ["RANK"])
        if backend == "nccl":
            torch.cuda.set_device(rank)
        distributed.init_process_group(backend, timeout=timedelta(seconds=LIMIT / 3))
        value = torch.tensor(rank + 1.0, device=f"cuda:{rank}" if backend == "nccl" else "cpu")
        distributed.all_reduce(value)
        total = float(value)
        distributed.destroy_process_group()
    except Exception as error:
        return _line(error)
    return "" if total == 3 else f"1 + 2 over two ranks gave {total}"


def _line(error: BaseException) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"
