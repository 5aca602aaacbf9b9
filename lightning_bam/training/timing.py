"""What a trained network costs where it was trained: the latency of one image, and the memory that training took."""

import os
import time
from contextlib import suppress
from statistics import median
from typing import Any, Final

import torch

from lightning_bam.probe import blank_image, eval_mode
from lightning_bam.random_streams import seeded
from lightning_bam.run_folder.provenance import processor
from lightning_bam.training.base_module import TrainedModule

WARM_UP: Final = 3
"""Passes that are not counted: the first ones choose kernels and allocate memory."""
PASSES: Final = 50
"""Passes of which the median is taken, fewer where these take longer than `SECONDS`."""
LEAST: Final = 5
SECONDS: Final = 0.1


def synchronize(device: torch.device) -> None:
    """Wait for what a GPU was told to do; a CPU has done it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def latency(module: TrainedModule, device: torch.device) -> float:
    """Return the seconds of one forward pass of one blank image in eval mode: the median of some tens, after a warm-up.

    Under the precision, the kernels and the threads of the training. What a detector does with the boxes that it finds
    depends on the image, and a blank one has few. Random streams and statistics of batch norm stay as they are; the
    module lies on `device` afterwards. RuntimeError: no memory there.
    """
    run, seconds = module.spec, list[float]()
    module.to(device)
    image = blank_image(module.network, run.dataset.shape)
    images: Any = list(image) if run.detects else image
    half = torch.autocast(device.type, torch.bfloat16, enabled=run.recipe.precision == "bf16")
    with eval_mode(module), seeded(0, device), half:
        for number in range(WARM_UP + PASSES):
            synchronize(device)
            start = time.perf_counter()
            module(images)
            synchronize(device)
            if number >= WARM_UP:
                seconds.append(time.perf_counter() - start)
            if len(seconds) >= LEAST and sum(seconds) > SECONDS:
                break
    return median(seconds)


def peak_memory(device: torch.device) -> int | None:
    """Return the most bytes that torch's tensors had on this GPU at once in this process, which is one run's alone.

    None on a CPU: the peak of a forked process holds what its server had loaded, and says nothing of the network.
    """
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def cost(module: TrainedModule, device: torch.device, images: int, *, trained: bool) -> dict[str, Any]:
    """Return what a run that has just ended has cost on its first rank, as `run_folder.manifest.Cost` reads it.

    `images` are those of an epoch; `trained` is whether this process has trained on some.
    """
    here = os.environ.get("BAM_RANKS_HERE")
    found: dict[str, Any] = {
        "images": images,
        "ranks_here": int(here) if here else None,
        "processor": processor() if device.type == "cpu" else None,
        "memory": peak_memory(device) if trained else None,
    }
    with suppress(RuntimeError):  # a measure ends no run that is complete
        found["latency"] = round(latency(module, device), 7)
    return {name: value for name, value in found.items() if value is not None}
