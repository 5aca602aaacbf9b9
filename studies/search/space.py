"""A search space: choices for some flat names, everything else fixed.

A knob is chosen only where it plays a part: `attention.dilation` where a spatial branch stands, `attention.combine`
where both do, a module's knobs where that module is chosen. What plays a part is read from the run itself (`flatten`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from graphlib import TopologicalSorter
from itertools import product
from typing import Annotated

from pydantic import Field

from lightning_bam.config import KINDS, ConfigError, Run, flatten, with_settings
from studies.definition.limits import LABEL_BYTES, shortened
from studies.definition.settings import at_scale, find_preset, setting_texts
from studies.definition.validation import SpaceName, definition, expected
from studies.errors import StudyError
from studies.search.choices import Choice, Integer, Real, Value, ends, size_of, takes


@definition
class Space:
    """What a search may try. Its results select; they never enter a table.

    Args:
        name: a short name.
        question: what is sought, in one sentence.
        base: the run whose knobs are varied; another module keeps its `reduction`, unless that is varied.
        choices: flat name (`attention.reduction`) -> what to try: a tuple of values as text, `Integer(1, 8)` or
            `Real(0.01, 0.3, log=True)`.
        presets: other scales: name -> a run that gives data, backbone and recipe.

    """

    name: SpaceName
    question: str
    base: Run
    choices: Annotated[
        Mapping[str, Annotated[Choice, expected('give a tuple of texts, as ("2", "4"), Integer(...) or Real(...)')]],
        Field(min_length=1),
    ]
    presets: Mapping[str, Run] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.base.score_on != "test":
            raise StudyError(f"{self.name}: score_on={self.base.score_on!r} is the search's own to choose")
        for name, choice in self.choices.items():
            values = ends(choice)
            if len(values) < 2 or len(set(values)) < len(values):
                raise StudyError(f"{self.name}: {name} has {list(values)}: give at least two values, each once")
            if name in ("seed", "score_on"):
                raise StudyError(f"{self.name}: {name} is the search's own to choose")
        tried = set()
        for settings, name in self.tries():
            with_settings(self.base, settings)
            tried.add(name)
            choice = self.choices[name]
            if isinstance(choice, Real):  # between its ends, as a knob may take whole numbers alone
                between = choice.low + (choice.step or 0.37 * (choice.high - choice.low))
                try:
                    with_settings(self.base, {**settings, name: str(between)})
                except ConfigError as error:
                    raise StudyError(f"{self.name}: {name}={choice}: {error}; whole numbers are an Integer") from None
        for name in set(self.choices) - tried:
            with_settings(self.base, {name: str(ends(self.choices[name])[0])})  # says what is wrong with the name
            raise StudyError(f"{self.name}: {name} plays no part in any run of this space")

    def tries(self) -> Iterator[tuple[dict[str, str], str]]:
        """Yield, for each kind of each searched slot, the settings that try each value that plays a part there."""
        slots = [name for name in self.choices if name in KINDS]
        for kinds in product(*(ends(self.choices[slot]) for slot in slots)):
            context = {slot: str(kind) for slot, kind in zip(slots, kinds, strict=True)}
            flat = flatten(with_settings(self.base, context))
            for name in self.choices:
                if name in flat:
                    yield from ((context | {name: str(value)}, name) for value in ends(self.choices[name]))

    @cached_property
    def deciders(self) -> dict[str, set[str]]:
        """For each name, the others that decide whether it plays a part."""
        deciders: dict[str, set[str]] = {name: set() for name in self.choices}
        first: dict[tuple[tuple[str, str], ...], set[str]] = {}  # the knobs at the first value of a name, by all else
        for settings, name in self.tries():
            context = tuple(item for item in settings.items() if item[0] != name)
            knobs = set(flatten(with_settings(self.base, settings))) & set(self.choices)
            for other in (first.setdefault((*context, (name, "")), knobs) ^ knobs) - {name}:
                deciders[other].add(name)
        return deciders

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The names with what decides whether a knob plays a part before it, in whatever order they are written."""
        names = {name: sorted(self.deciders[name]) for name in sorted(self.deciders)}
        return tuple(TopologicalSorter(names).static_order())

    def draw(self, choose: Callable[[str, Choice], Value]) -> dict[str, Value]:
        """Return a value of `choose` for each name that plays a part; a ConfigError where they cannot be together."""
        values: dict[str, Value] = {}
        run = self.base
        for name in self.order:
            if name in flatten(run):
                values[name] = choose(name, self.choices[name])
                run = with_settings(run, {name: str(values[name])})
        return values

    @cached_property
    def size(self) -> int | None:
        """Number of configurations; None where a choice is from a continuum."""
        if any(size_of(choice) is None for choice in self.choices.values()):
            return None
        deciding = set().union(*self.deciders.values())

        def count(run: Run, names: Sequence[str]) -> int:
            if not names:
                return 1
            name, *rest = names
            if name not in flatten(run):
                return count(run, rest)
            choice = self.choices[name]
            if name not in deciding:
                return (size_of(choice) or 0) * count(run, rest)
            values = choice.values if isinstance(choice, Integer) else ends(choice)
            return sum(count(with_settings(run, {name: str(value)}), rest) for value in values)

        return count(self.base, self.order)

    @property
    def most_epochs(self) -> int:
        """Epochs of the longest run."""
        return max(int(value) for value in ends(self.choices.get("recipe.epochs", (str(self.base.recipe.epochs),))))

    def corners(self) -> dict[str, Run]:
        """Return a run for each value of each name in each kind of module, by what is set: to be checked first."""
        corners: dict[str, tuple[str, Run]] = {}
        for settings, _ in self.tries():
            usual = {name: str(value) for name, value in flatten(with_settings(self.base, settings)).items()} | settings

            def choose(name: str, choice: Choice, usual: Mapping[str, str] = usual) -> Value:
                return usual[name] if usual.get(name, "") in map(str, ends(choice)) else ends(choice)[0]

            run = self.run(self.draw(choose))
            corners.setdefault(run.key, (" ".join(f"{name}={value}" for name, value in settings.items()), run))
        return dict(corners.values())

    def at(self, preset: str) -> Space:
        """Return the space at the scale of a preset, which it must have."""
        base = at_scale(find_preset(self.name, self.presets, preset), self.base)
        return self if base == self.base else replace(self, base=base, name=f"{self.name}+{preset}")

    def override(self, settings: Mapping[str, str]) -> Space:
        """Return the space with flat names of its base set from text, none of which it may search over."""
        if searched := set(settings) & {*self.choices, "seed", "score_on"}:
            raise StudyError(f"--set {min(searched)}: {self.name} searches over it or fixes it")
        base = with_settings(self.base, settings)
        name = "+".join((self.name, *setting_texts([base], settings)))
        return replace(self, base=base, name=shortened(name, LABEL_BYTES))

    def takes(self, values: Mapping[str, object]) -> bool:
        """Say whether each of these is a value of this space, as of a trial that others may have written."""
        return all(name in self.choices and takes(self.choices[name], value) for name, value in values.items())

    def run(self, values: Mapping[str, Value]) -> Run:
        """Return the run with these values, scored on a held-out part of train."""
        return replace(self.configuration(values), score_on="held_out")

    def configuration(self, values: Mapping[str, Value]) -> Run:
        """Return the run with these values as a study would ask for it."""
        return with_settings(self.base, {name: str(value) for name, value in values.items()})

    def label(self, run: Run) -> str:
        """Return the varied values of a run as a row label."""
        flat = flatten(run)
        return " ".join(f"{name.rpartition('.')[2]}={value_text(flat[name])}" for name in self.choices if name in flat)


def value_text(value: object) -> str:
    """Return a value as a person reads it: three digits of a real number."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
