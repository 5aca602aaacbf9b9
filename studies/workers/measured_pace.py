"""How long runs will take on these devices, asked of processes that train a few steps of each."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerContext
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from lightning_bam.config import ConfigError, Run, from_dict, to_dict
from lightning_bam.user_code.load import Source, load, sources
from studies.errors import StudyError
from studies.job.devices import Slot
from studies.workers.launch import ask
from studies.workers.process_environment import scrub, visible

if TYPE_CHECKING:
    from lightning_bam.training.pace import Pace


def paces(
    context: ForkServerContext, rows: Mapping[str, Run], slots: Sequence[Slot], threads: int
) -> "dict[str, Pace]":
    """Return the pace of each row's run, measured on all slots at a time, as they would be trained.

    Raises StudyError for runs that take several devices each, ConfigError for a row that cannot be trained.
    """
    if slots[0].world > 1:
        raise StudyError("--measure: times runs on one device each; leave out --devices-per-run")
    free: SimpleQueue[Slot] = SimpleQueue()
    for slot in slots:
        free.put(slot)

    def measured(row: str) -> "Pace":
        slot = free.get()
        try:
            question = (to_dict(rows[row]), list(sources(rows[row])), slot.gpus, threads)
            found: Pace = ask(context, __name__, "measure", question)
        except ConfigError as error:
            raise ConfigError(f"row {row!r}: {error}") from None
        finally:
            free.put(slot)
        return found

    with ThreadPoolExecutor(len(slots)) as pool:
        return dict(zip(rows, pool.map(measured, rows), strict=True))


def measure(question: tuple[dict[str, Any], list[Source], tuple[int, ...], int]) -> "Pace":
    """Train a few steps of a run in this process, and return its pace."""
    described, own, gpus, threads = question
    scrub()
    os.environ["CUDA_VISIBLE_DEVICES"] = visible(gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))

    from lightning_bam.run_folder.provenance import WORKSPACE
    from lightning_bam.training.pace import pace

    os.environ["CUBLAS_WORKSPACE_CONFIG"] = WORKSPACE
    load(own)
    return pace(from_dict(described), "cuda" if gpus else "cpu", threads)
