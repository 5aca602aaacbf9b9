"""Two runs side by side: in what they differ, and where their epochs part."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.environment import over_attempts
from analysis.provenance.reproduction import NOT_COMPUTED
from lightning_bam.config import Run, flatten
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.hashes import same_images
from lightning_bam.run_folder.manifest import ENTRIES
from lightning_bam.run_folder.result import headline, so_far

Pair = tuple[Any, Any]
"""What the first run has and what the second; None where it has none."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What sets two runs apart.

    `config` has each knob in which they differ, `environment` each entry of their manifests, by its field, `figures`
    each reported figure, equal or not. `epochs` has the `metric` of each after every epoch, in percent, and `parting`
    the first epoch (from 0) and the first figure in it that are not equal; None where none is. The `metric` is None
    where the two report others.
    """

    runs: tuple[str, str]
    states: Pair
    config: dict[str, Pair]
    environment: dict[str, Pair]
    figures: dict[str, Pair]
    metric: str | None
    epochs: list[Pair]
    parting: tuple[int, str, Pair] | None

    @property
    def equal(self) -> bool:
        """Whether they have the same configuration, as many epochs, and every figure of these is equal."""
        whole = all(one is not None and other is not None for one, other in self.epochs)
        return not self.config and self.parting is None and whole and self.states[0] == self.states[1]


def difference(first: RunFolder, second: RunFolder) -> Difference:
    """Compare two runs, of one study or of two; FolderError for a folder that cannot be trusted."""
    folders = first, second
    runs = [folder.run() for folder in folders]
    manifests = [folder.manifest() for folder in folders]
    results = [folder.result() for folder in folders]
    lines = [folder.metrics() for folder in folders]
    entries = {
        name: tuple(over_attempts(getattr(attempt, name) for attempt in manifest.effective) for manifest in manifests)
        for name in ENTRIES
    }
    metrics = [headline(run).name for run in runs]
    count = max(map(len, lines))
    scores = [_scores(run, part, count) for run, part in zip(runs, lines, strict=True)]
    return Difference(
        runs=(first.path.name, second.path.name),
        states=(first.state(), second.state()),
        config=_differing(*map(flatten, runs)),
        environment={
            name: (one, other)
            for name, (one, other) in entries.items()
            if not (same_images(one, other) if name == "data" else one == other)
        },
        figures=_pairs(*(result.figures() if result else {} for result in results)),
        metric=metrics[0] if metrics[0] == metrics[1] else None,
        epochs=list(zip(*scores, strict=True)),
        parting=_parting(*lines),
    )


def _pairs(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Pair]:
    return {name: (first.get(name), second.get(name)) for name in dict.fromkeys((*first, *second))}


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Pair]:
    return {name: pair for name, pair in _pairs(first, second).items() if pair[0] != pair[1]}


def _scores(run: Run, lines: list[dict[str, Any]], count: int) -> list[float | None]:
    scores = [so_far(run, line) for line in lines]
    return scores + [None] * (count - len(scores))


def _parting(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> tuple[int, str, Pair] | None:
    """Return the first epoch of both and the first figure of it that are not equal."""
    for one, other in zip(first, second, strict=False):
        for name, value in one.items():
            if name not in NOT_COMPUTED and name in other and value != other[name]:
                return one["epoch"], name, (value, other[name])
    return None
