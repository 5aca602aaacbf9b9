"""A run's differences as Optuna parameters, so that any Optuna tool can read a study."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

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
from studies.definition.limits import LAST_SEED


def distributions(names: Iterable[str], runs: Iterable[Run]) -> dict[str, BaseDistribution]:
    """Return a distribution for each flat name: all that its type admits, else what occurs in `runs`."""
    flats = [flatten(run) for run in runs]
    occurring = {name: list(dict.fromkeys(flat[name] for flat in flats if name in flat)) for name in names}
    return {name: _distribution(name, values) for name, values in occurring.items()}


def _distribution(name: str, values: list[Scalar]) -> BaseDistribution:
    if name == "seed":
        return IntDistribution(0, LAST_SEED)
    if choices := (*sorted(KINDS[name]), "none") if name in KINDS else _literals(name):
        return CategoricalDistribution(choices)
    if all(isinstance(value, bool) for value in values):
        return CategoricalDistribution((False, True))
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) < len(values):
        return CategoricalDistribution(sorted(map(str, values)))
    if all(isinstance(number, int) for number in numbers):
        return IntDistribution(int(min(numbers)), int(max(numbers)))
    return FloatDistribution(min(numbers), max(numbers))


def _literals(name: str) -> tuple[Scalar, ...]:
    """Return the values that a knob's type lists, over every spec that has the knob."""
    slot, _, knob = name.partition(".")
    listed: dict[Scalar, None] = {}
    kinds: Iterable[Any] = KINDS.get(slot, {}).values()
    for cls in kinds:
        if knob in cls.__pydantic_fields__:
            hint = cls.__pydantic_fields__[knob].annotation  # resolved, where a study's file has its hints as text
            if "Literal" in str(get_origin(hint)):
                listed |= dict.fromkeys(get_args(hint))
    return tuple(listed)


def parameters(run: Run, dists: Mapping[str, BaseDistribution]) -> dict[str, Scalar]:
    """Return the values that `run` has for those parameters that it has at all."""
    flat = flatten(run)
    return {name: str(flat[name]) if _is_text(dist) else flat[name] for name, dist in dists.items() if name in flat}


def _is_text(dist: BaseDistribution) -> bool:
    return isinstance(dist, CategoricalDistribution) and all(isinstance(choice, str) for choice in dist.choices)


def new_trial(
    values: Mapping[str, Scalar],
    dists: Mapping[str, BaseDistribution],
    kinds: Mapping[str, BaseDistribution],
    marks: Mapping[str, Any],
    **outcome: Any,
) -> FrozenTrial:
    """Return a trial to be written in one step; a parameter of another kind than `kinds` is a user attribute."""
    odd = {name: value for name, value in values.items() if not _fits(value, dists[name], kinds.get(name))}
    fitting = {name: value for name, value in values.items() if name not in odd}
    return optuna.create_trial(
        params=fitting,
        distributions={name: dists[name] for name in fitting},
        user_attrs={**marks, **odd},
        **outcome,
    )


def _fits(value: Scalar, dist: BaseDistribution, kind: BaseDistribution | None) -> bool:
    try:
        if kind is not None:
            check_distribution_compatibility(kind, dist)
        optuna.create_trial(state=TrialState.RUNNING, params={"": value}, distributions={"": dist})
    except ValueError:
        return False
    return True
