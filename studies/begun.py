"""What a search's Optuna study says of itself, so that nobody goes on with it over something else."""

from __future__ import annotations

from typing import Final, Literal

import optuna

from studies.choices import Choice, Integer, Real
from studies.errors import StudyError
from studies.headline import headline
from studies.method import Method
from studies.space import Space

OTHER: Final = "give the space another name, or use another --root"


def directions(space: Space, method: Method) -> list[Literal["minimize", "maximize"]]:
    """Return which way is better for each objective: the held-out figure, and with `nsga2` the MACs."""
    first: Literal["minimize", "maximize"] = "maximize" if headline(space.base).higher_is_better else "minimize"
    return [first, "minimize"] if method.sampler == "nsga2" else [first]


def check_same(study: optuna.Study, space: Space, method: Method) -> None:
    """Note what is searched, or find it noted already.

    Raises:
        StudyError: the study was begun over another base or other choices, or where the same ones meant other runs.

    """
    searched = {"base": space.base.key} | {name: _written(choice) for name, choice in space.choices.items()}
    begun = study.user_attrs.get("searched")
    ways = [way.name.lower() for way in study.directions]
    if ways != (wanted := directions(space, method)):
        told = f"was begun to {' and '.join(ways)}, not to {' and '.join(wanted)}"
        raise StudyError(f"{study.study_name}: {told}; {OTHER}")
    if begun is None:
        study.set_user_attr("objective", f"held-out {headline(space.base).name} in percent")
        study.set_user_attr("question", space.question)
        study.set_user_attr("searched", searched)
        return
    for name in {**begun, **searched}:
        if begun.get(name) != searched.get(name):
            raise StudyError(
                f"{study.study_name}: was begun with {name}={begun.get(name)}, now it has {searched.get(name)}; {OTHER}"
            )
    for trial in study.get_trials(deepcopy=False):
        asked = trial.user_attrs.get("key")
        if asked is not None and not space.takes(trial.params):
            raise StudyError(
                f"{study.study_name}: trial {trial.number} has values that are none of this space's; {OTHER}"
            )
        if asked is not None and asked != (now := space.run(trial.params).key):
            told = " ".join(f"{name}={value}" for name, value in trial.params.items())
            raise StudyError(
                f"{study.study_name}: trial {trial.number} ({told}) was run {asked} when it was asked for and would "
                f"now be {now}; {OTHER}"
            )


def _written(choice: Choice) -> str:
    return repr(choice) if isinstance(choice, Integer | Real) else ", ".join(choice)
