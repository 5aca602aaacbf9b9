"""A search space: values for some flat names, everything else fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from lightning_bam.config import Run, flatten, nearest, with_settings
from studies.error import StudyError


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a search may try. Its results select; they never enter a table.

    Args:
        name: a short name.
        question: what is sought, in one sentence.
        base: the run whose knobs are varied.
        choices: flat name (`attention.reduction`) -> the values to try, as text.
        presets: other scales: name -> a run that gives data, backbone and recipe.

    Raises:
        StudyError: a name without at least two values.
        ConfigError: a value that cannot be.

    """

    name: str
    question: str
    base: Run
    choices: Mapping[str, Sequence[str]]
    presets: Mapping[str, Run] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Try each value once."""
        for name, values in self.choices.items():
            if len(set(values)) < 2:
                raise StudyError(f"{self.name}: {name} has {list(values)}: give at least two values")
            for value in values:
                with_settings(self.base, {name: value})

    @property
    def size(self) -> int:
        """Number of configurations."""
        return prod(len(values) for values in self.choices.values())

    def at(self, preset: str) -> Space:
        """Return the space at another scale.

        Raises:
            StudyError: the space has no such preset.

        """
        if preset not in self.presets:
            hint = nearest(preset, self.presets) if self.presets else "it has none"
            raise StudyError(f"{self.name}: no preset {preset!r}; {hint}")
        scale = self.presets[preset]
        base = replace(self.base, dataset=scale.dataset, backbone=scale.backbone, recipe=scale.recipe)
        return self if base == self.base else replace(self, base=base, name=f"{self.name}+{preset}")

    def override(self, settings: Mapping[str, str]) -> Space:
        """Return the space with flat names of its base set from text.

        Raises:
            StudyError: a name that is searched over.
            ConfigError: an unknown name or a value outside its range.

        """
        if not settings:
            return self
        if searched := set(settings) & {*self.choices, "seed", "score_on"}:
            raise StudyError(f"--set {min(searched)}: {self.name} searches over it or fixes it")
        label = "+".join((self.name, *(f"{name}={value}" for name, value in sorted(settings.items()))))
        return replace(self, base=with_settings(self.base, settings), name=label)

    def run(self, values: Mapping[str, str]) -> Run:
        """Return the run with these values, scored on a held-out part of train."""
        return replace(with_settings(self.base, values), score_on="held_out")

    def label(self, run: Run) -> str:
        """Return the varied values of a run as a row label."""
        flat = flatten(run)
        return " ".join(f"{name.rpartition('.')[2]}={flat.get(name)}" for name in self.choices)
