"""A run's differences as Optuna parameters, so that any Optuna tool can read a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    check_distribution_compatibility,
)
from optuna.trial import FrozenTrial, TrialState

from lightning_bam.config import KINDS, Run, flatten
from lightning_bam.config.codec import Scalar

MAX_SEED = 2**31 - 1


def distributions(names: Iterable[str], runs: Iterable[Run]) -> dict[str, BaseDistribution]:
    """Return a distribution for each flat name: all that its type admits, else what occurs in `runs`."""
    flats = [flatten(run) for run in runs]
    occurring = {name: list(dict.fromkeys(flat[name] for flat in flats if name in flat)) for name in names}
    return {name: _distribution(name, values) for name, values in occurring.items()}


def _distribution(name: str, values: list[Scalar]) -> BaseDistribution:
    if name == "seed":
        return IntDistribution(0, MAX_SEED)
    if name in KINDS:
        return CategoricalDistribution((*sorted(KINDS[name]), "none"))
    if literals := _literals(name):
        return CategoricalDistribution(literals)
    if all(isinstance(value, bool) for value in values):
        return CategoricalDistribution((False, True))
    if all(isinstance(value, int) for value in values):
        whole = [int(value) for value in values if value is not None]
        return IntDistribution(min(whole), max(whole))
    if all(isinstance(value, int | float) for value in values):
        numbers = [float(value) for value in values if value is not None]
        return FloatDistribution(min(numbers), max(numbers))
    return CategoricalDistribution(sorted(map(str, values)))


def _literals(name: str) -> tuple[Scalar, ...]:
    """Return the values that a knob's type lists, over every spec that has the knob."""
    slot, _, knob = name.partition(".")
    listed: dict[Scalar, None] = {}
    for cls in KINDS.get(slot, {}).values():
        if knob in {f.name for f in fields(cls)}:
            hint = get_type_hints(cls)[knob]
            if "Literal" in str(get_origin(hint)):
                listed |= dict.fromkeys(get_args(hint))
    return tuple(listed)


def parameters(run: Run, dists: Mapping[str, BaseDistribution]) -> dict[str, Scalar]:
    """Return the values that `run` has for those parameters that it has at all."""
    flat = flatten(run)
    text = {
        n
        for n, d in dists.items()
        if isinstance(d, CategoricalDistribution) and all(isinstance(c, str) for c in d.choices)
    }
    return {name: str(flat[name]) if name in text else flat[name] for name in dists if name in flat}


def new_trial(
    values: Mapping[str, Scalar],
    dists: Mapping[str, BaseDistribution],
    kinds: Mapping[str, BaseDistribution],
    marks: Mapping[str, Any],
) -> FrozenTrial:
    """Return a running trial with those parameters, to be written in one step.

    A parameter whose choices have changed since the study began can no longer be one in Optuna: it becomes a user
    attribute of the same name.

    Args:
        values: the parameters.
        dists: their distributions.
        kinds: those of the study's trials so far.
        marks: user attributes.

    """
    odd = {name: value for name, value in values.items() if not _fits(value, dists[name], kinds.get(name))}
    fitting = {name: value for name, value in values.items() if name not in odd}
    return optuna.create_trial(
        state=TrialState.RUNNING,
        params=fitting,
        distributions={name: dists[name] for name in fitting},
        user_attrs={**marks, **odd},
    )


def _fits(value: Scalar, dist: BaseDistribution, kind: BaseDistribution | None) -> bool:
    try:
        if kind is not None:
            check_distribution_compatibility(kind, dist)
        optuna.create_trial(state=TrialState.RUNNING, params={"": value}, distributions={"": dist})
    except ValueError:
        return False
    return True
