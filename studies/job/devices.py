"""Where runs may be trained: `--devices 0,1` are GPUs, `--devices cpu:2` two CPU ranks."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightning_bam.cores import cores
from studies.errors import StudyError

DEVICE_FILES: Final = Path("/dev")


@dataclass(frozen=True)
class Slot:
    """What one run occupies: the GPUs of its ranks, or (with none) `ranks` CPU ranks; the same on each of `nodes`.

    Each of these devices is shared by `runs_per_device` runs.
    """

    ranks: int
    gpus: tuple[int, ...] = ()
    nodes: int = 1
    runs_per_device: int = 1

    @property
    def world(self) -> int:
        """Ranks on all nodes together."""
        return self.ranks * self.nodes

    @property
    def device(self) -> str:
        """`cuda` or `cpu`."""
        return "cuda" if self.gpus else "cpu"


def parse_devices(text: str | None) -> list[int | None]:
    """Return one entry a device, its index for a GPU, None for a CPU rank: of `0,1`, `0 1` or `cpu:2`.

    Raises StudyError for any other text. None stands for every GPU, or where there is none for one rank a core.
    """
    if text is None:
        gpus = visible_gpus()
        return list(gpus) if gpus else [None] * cores()
    if match := re.fullmatch(r"cpu(?::([1-9]\d{0,2}))?", text):
        return [None] * int(match.group(1) or 1)
    if re.fullmatch(r"\d+([,\s]+\d+)*", text):
        indices = [int(index) for index in re.findall(r"\d+", text)]
        if len(set(indices)) == len(indices):
            return list(indices)
    raise StudyError(f"--devices {text or repr(text)}: give GPU indices like 0,1 (each once) or CPU ranks like cpu:2")


def visible_gpus() -> list[int]:
    """Return the indices of the NVIDIA GPUs that this process may use, without loading torch.

    CUDA_VISIBLE_DEVICES counts where there is one: clusters and images set it on machines without a GPU, too.
    """
    count = sum(path.name[6:].isdigit() for path in DEVICE_FILES.glob("nvidia[0-9]*"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and (count or (DEVICE_FILES / "dxg").exists()):  # Windows' Linux has a file for them all
        count = sum(part.strip() not in ("", "-1") for part in visible.split(","))
    return list(range(count))


def slots(devices: list[int | None], per_run: int, runs_per_device: int = 1, nodes: int = 1) -> list[Slot]:
    """Cut the devices into slots of `per_run`, each of them `runs_per_device` times, on each of `nodes`.

    Raises:
        StudyError: `per_run` below 1 or not a divisor of the number of devices, or `runs_per_device` below 1.

    """
    if per_run < 1 or len(devices) % per_run:
        raise StudyError(
            f"--devices-per-run {per_run}: {len(devices)} devices cannot be cut into runs of {per_run}; "
            f"use a divisor of {len(devices)}, or more --devices"
        )
    if runs_per_device < 1:
        raise StudyError(f"--runs-per-device {runs_per_device}: give a number from 1 up")
    groups = [devices[start : start + per_run] for start in range(0, len(devices), per_run)]
    gpus = [tuple(index for index in group if index is not None) for group in groups]
    once = [Slot(per_run, indices, nodes, runs_per_device) for indices in gpus]
    return once * runs_per_device
