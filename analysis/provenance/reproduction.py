"""A run and its repetition, compared epoch by epoch: equal bit for bit, or where they part and what may be why."""

from dataclasses import dataclass
from typing import Final

from analysis.environment import UNKNOWN, over_attempts
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.hashes import altered, recorded, same_images
from lightning_bam.run_folder.manifest import ENTRIES, TIMES
from lightning_bam.run_folder.result import headline, reported

NOT_COMPUTED: Final = ("epoch", "gates", *TIMES)
"""What an epoch's line holds besides figures, and what follows from the weights that have these figures."""
DECIDING: Final = {name: entry.changes for name, entry in ENTRIES.items() if entry.changes}
"""Entries of the manifest with which, where they differ, equality cannot be expected, and why."""


@dataclass(frozen=True, kw_only=True)
class Parting:
    """The first figure that is not equal: at which epoch (from 0), which one, what it was and what it is."""

    epoch: int
    figure: str
    was: float
    now: float


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What came of a repetition of the run `key`, of whose `epochs` these `figures` were compared.

    `was` and `now` are the reported figure, of the name `metric`, in percent, of the run and its repetition; `parting`
    is None where every figure is equal. `differing` has what an entry of the manifest was and is, where that differs,
    `changed` the files of the record that are not what its training left.
    """

    key: str
    epochs: int
    figures: tuple[str, ...]
    parting: Parting | None
    metric: str
    was: float
    now: float
    differing: dict[str, dict[str, str]]
    changed: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether every figure is."""
        return self.parting is None

    @property
    def deciding(self) -> tuple[str, ...]:
        """The entries of the manifest for which equality could not be expected."""
        return tuple(name for name, pair in self.differing.items() if name in DECIDING and UNKNOWN not in pair.values())


def compare(record: RunFolder, repetition: RunFolder) -> Reproduction:
    """Compare a complete run with its repetition; FolderError for a folder that cannot be trusted."""
    run = record.run()
    was, now = record.result(), repetition.result()
    if was is None or now is None:
        raise FolderError(f"{(record if was is None else repetition).path}: the run is not complete")
    old, new = record.metrics(), repetition.metrics()
    if len(old) != len(new):
        raise FolderError(f"{record.path}/metrics.jsonl: holds {len(old)} epochs, the repetition {len(new)}")
    repeated = {name for line in new for name in line}.difference(NOT_COMPUTED)
    names = tuple(name for name in dict.fromkeys(name for line in old for name in line) if name in repeated)
    pairs = ((one, other, name) for one, other in zip(old, new, strict=True) for name in names)
    parting = next(
        (
            Parting(epoch=one["epoch"], figure=name, was=one[name], now=other[name])
            for one, other, name in pairs
            if name in one and name in other and one[name] != other[name]
        ),
        None,
    )
    before, after = record.manifest().effective, repetition.manifest().effective
    entries = {
        name: [over_attempts(getattr(attempt, name) for attempt in attempts) for attempts in (before, after)]
        for name in sorted(ENTRIES, key=lambda name: name not in DECIDING)
    }
    try:
        changed = [name for name, digest in altered(record, recorded(record)).items() if digest]
    except FolderError:  # without all of its hashes: `bam verify` says so
        changed = ["manifest.json"]
    return Reproduction(
        key=run.key,
        epochs=len(old),
        figures=names,
        parting=parting,
        metric=headline(run).name,
        was=reported(run, was),
        now=reported(run, now),
        differing={
            name: {"was": a, "now": b}
            for name, (a, b) in entries.items()
            if not (same_images(a, b) if name == "data" else a == b)
        },
        changed=tuple(changed),
    )
