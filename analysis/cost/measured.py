"""What a run has cost, as its manifest tells it, and on which machine: costs of two machines say nothing together."""

from dataclasses import dataclass

from studies.records.records import Record

Machine = tuple[str, ...]
"""What runs share whose costs can be held against each other, as words."""
WORDS = {
    "device": "{}",
    "cpu": "{} instructions",
    "threads": "{} thread(s) a rank",
    "world_size": "{} rank(s) a run",
    "torch": "torch {}",
}
"""Entries of an attempt on which times depend, and how they are told."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a run has cost: images a second of training, ms of one image's forward pass, MiB on the GPU at the most.

    `memory_mib` is None where that was not recorded, as on a CPU.
    """

    machine: Machine
    images_per_second: float
    latency_ms: float
    memory_mib: float | None


def measured(record: Record) -> Measured | None:
    """Return what a finished run has cost; None where it is not recorded, as by older versions."""
    manifest, cost = record.manifest, record.manifest.cost
    if record.result is None or not cost.images or cost.epoch_seconds is None or cost.latency is None:
        return None
    attempt = manifest.effective[-1]  # which has measured; no host: its name says nothing of how fast it is
    words = [text.format(entry) for name, text in WORDS.items() if (entry := getattr(attempt, name)) is not None]
    words += [cost.processor] if cost.processor else []
    words += [f"{cost.ranks_here} rank(s) on its host"] if cost.ranks_here else []
    return Measured(
        machine=tuple(words),
        images_per_second=cost.images / cost.epoch_seconds,
        latency_ms=1000 * cost.latency,
        memory_mib=None if cost.memory is None else cost.memory / 2**20,
    )
