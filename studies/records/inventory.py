"""The studies and searches that a runs folder knows: for which its runs were begun, as their manifests keep it."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lightning_bam.config import Run
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder, State
from lightning_bam.run_folder.manifest import Manifest
from studies.records.purpose import KEY, asked


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A run folder: the run `key` at `seed`, its state, and for what it was begun, study by study."""

    key: str
    run: Run
    state: State
    manifest: Manifest


@dataclass(kw_only=True)
class KnownStudy:
    """What the run folders say of the study `label`: runs that were begun for it, and how it was asked.

    `asked` are the words that ask it at a prompt, of the call for the most seeds; empty where no record has them. A run
    that another study had begun before is that one's. `last` is when the last attempt began, an ISO date.
    """

    label: str
    asked: tuple[str, ...] = ()
    rows: dict[str, None] = field(default_factory=dict)
    seeds: set[int] = field(default_factory=set)
    states: Counter[str] = field(default_factory=Counter)
    last: str = ""
    rule: str = ""

    def add(self, begun: Begun) -> None:
        """Count a run that was begun for it."""
        entry = (begun.manifest.studies or {})[self.label]
        self.rows.setdefault(entry.get("row", "?"))
        self.seeds.add(begun.run.seed)
        self.states[begun.state] += 1
        self.last = max(self.last, begun.manifest.started or "")
        self.rule = self.rule or entry.get("declared", "")
        self.asked = max(self.asked, asked(entry), key=_seeds)


def _seeds(words: tuple[str, ...]) -> tuple[bool, int]:
    """Return whether there are words, and for how many seeds they ask."""
    number = words[words.index("--seeds") + 1] if "--seeds" in words else ""
    return bool(words), int(number) if number.isdecimal() else 0


def begun_runs(
    root: Path, wanted: Callable[[str, Manifest], bool] = lambda *_: True, unreadable: list[str] | None = None
) -> Iterator[Begun]:
    """Yield every run under `root` that a study or a search has begun, by key, as far as key and manifest are `wanted`.

    Names of folders that cannot be read are added to `unreadable`.
    """
    for name in sorted(os.listdir(root)) if root.is_dir() else ():  # noqa: PTH208
        if not KEY.fullmatch(name):
            continue
        folder = RunFolder(f"{root}/{name}")
        try:
            manifest = folder.manifest()
            if manifest.studies and wanted(name, manifest):
                yield Begun(key=name, run=folder.run(), state=folder.state(), manifest=manifest)
        except FolderError:
            if unreadable is not None:
                unreadable.append(name)


def known_studies(root: Path, unreadable: list[str] | None = None) -> list[KnownStudy]:
    """Return what `root` knows, the study whose last attempt is the latest first; see `begun_runs`."""
    studies: dict[str, KnownStudy] = {}
    for begun in begun_runs(root, unreadable=unreadable):
        for label in begun.manifest.studies or {}:
            studies.setdefault(label, KnownStudy(label=label)).add(begun)
    return sorted(studies.values(), key=lambda study: (study.last, study.label), reverse=True)


def of_name(name: str, studies: list[KnownStudy]) -> list[KnownStudy]:
    """Return those of a study of this name, whatever its preset and settings."""
    return [study for study in studies if study.label == name or study.label.startswith(f"{name}+")]
