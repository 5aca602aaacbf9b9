"""What tests do in a process that is forked from the warm server, and in the ranks that it launches."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.launcher.api import elastic_launch

from lightning_bam.distributed import gather
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.signals import Signals
from lightning_bam.training import train as training
from lightning_bam.training import trainer
from lightning_bam.user_code.load import Source, load
from studies.job.devices import Slot
from studies.job.job import Job
from studies.workers import ranks, worker
from studies.workers.process_environment import scrub
from studies.workers.rendezvous import Rendezvous

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def exactly(task: tuple[Path, Slot]) -> None:
    """Train a described folder on a slot, in 64 bits where the run says 32: what is left is no rounding."""
    folder, slot = task
    scrub()
    trainer.PRECISION = {"32": "64-true"}
    job = Job(folder=folder, study="ranks", row="", slot=slot, wandb="off")
    ranks.rank(job) if slot.ranks == 1 else ranks.launch(job)
    assert RunFolder(folder).result() is not None


def exactly_own(task: tuple[Path, Slot, tuple[Source, ...]]) -> None:
    """Train so where parts of the run are a user's own."""
    folder, slot, code = task
    load(code)
    exactly((folder, slot))


def surrounded(task: tuple[Path, Slot, dict[str, str]]) -> None:
    """Train a described folder with these environment variables."""
    folder, slot, surroundings = task
    scrub()
    os.environ.update(surroundings)
    ranks.rank(Job(folder=folder, study="ranks", row="", slot=slot, wandb="off"))


def cramped(task: tuple[Path, Slot]) -> None:
    """Train a described folder on a GPU of which this process may have next to nothing; ends with the worker's code."""
    folder, slot = task
    torch.cuda.set_per_process_memory_fraction(1e-4)
    worker.work(Job(folder=folder, study="ranks", row="", slot=slot, wandb="off"))


def disagreeing(task: tuple[Path, Slot]) -> None:
    """Train a described folder whose checkpoint the second rank cannot read whole; ends with the worker's code."""
    folder, slot = task
    check = training.damage
    training.damage = lambda path: "torn" if os.environ["RANK"] == "1" else check(path)
    worker.work(Job(folder=folder, study="ranks", row="", slot=slot, wandb="off"))


def sharing(task: tuple[Path, Slot]) -> None:
    """Train so on several ranks that share one GPU: NCCL takes each for the only one on a host of its own."""
    train = ranks.rank

    def rank(job: Job, signals: Signals | None = None) -> None:
        number = os.environ["RANK"]
        os.environ.update(NCCL_HOSTID=f"host{number}", LOCAL_RANK="0", LOCAL_WORLD_SIZE="1")
        train(job, signals)

    ranks.rank = rank
    exactly(task)


def meet_often(task: tuple[int, int, Any]) -> list[dict[int, tuple[list[int], int, str]]]:
    """Launch groups of two ranks, one after the other; each begins when the other parties are at the barrier."""
    party, tries, barrier = task
    scrub()
    met = []
    for attempt in range(tries):
        number = 1000 * party + attempt
        job = Job(folder=Path(f"group{number}"), study="ranks", row="", slot=Slot(2))
        barrier.wait(120)
        with Rendezvous().open() as meeting:
            met.append(elastic_launch(ranks.group(job, meeting), _meet)(number))
    return met


def _meet(number: int) -> tuple[list[int], int, str]:
    """Say who is in this rank's group, what its members' numbers add up to, and at which port they met."""
    dist.init_process_group("gloo")
    own = torch.tensor(number)
    numbers = gather(own)
    dist.all_reduce(own)
    dist.destroy_process_group()
    return numbers.tolist(), int(own), os.environ["MASTER_PORT"]


def watched(task: tuple[Path, Slot]) -> list[list[str]]:
    """Train a described folder on several ranks, and return for each what it created, wrote to, moved or removed."""
    folder, slot = task
    scrub()
    train = ranks.rank

    def rank(job: Job, signals: Signals | None = None) -> None:
        """Note what Python does to files; torch, too, writes through Python's."""
        touched: set[str] = set()

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "open" and isinstance(arguments[0], str | Path) and arguments[2] & WRITING:
                touched.add(str(arguments[0]))
            elif event in ("os.rename", "os.remove", "os.mkdir", "os.link", "os.symlink", "os.truncate"):
                touched.update(str(path) for path in arguments[:2] if isinstance(path, str | Path))

        sys.addaudithook(hook)
        train(job, signals)
        Path(f"{folder}.rank{os.environ['RANK']}").write_text("\n".join(touched))

    ranks.rank = rank
    ranks.launch(Job(folder=folder, study="ranks", row="", slot=slot, wandb="off"))
    return [Path(f"{folder}.rank{number}").read_text().splitlines() for number in range(slot.ranks)]
