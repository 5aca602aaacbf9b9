"""A search in W&B's words: the configuration of its sweep."""

from collections.abc import Mapping
from typing import Any, Final

from lightning_bam.config import with_settings
from lightning_bam.run_folder.result import headline
from studies.definition.limits import shortened
from studies.search.choices import Integer, Real
from studies.search.method import Method, label
from studies.search.samplers import SamplerName
from studies.search.space import Space
from studies.tracking.connection import NAME
from studies.tracking.description import config_of
from studies.tracking.names import phase

METHODS: Final[Mapping[SamplerName, str]] = {"random": "random", "qmc": "random", "brute": "grid"}
"""What W&B calls a sampler that is not guided by earlier trials; it knows one name for all others, `bayes`."""


def sweep_config(space: Space, method: Method) -> dict[str, Any]:
    """Return the configuration of a search's sweep, whose parameters stand where a run's config in W&B has them.

    Its controller is local, so that W&B itself gives no agent a run.
    """
    metric, way = headline(space.base), METHODS.get(method.sampler, "bayes")
    parameters: dict[str, Any] = {}
    for name, values in _values(space).items():
        choice, node = space.choices[name], parameters
        *slots, last = _place(name, values[0])
        for slot in slots:
            node = node.setdefault(slot, {"parameters": {}})["parameters"]
        if isinstance(choice, Integer | Real):
            node[last] = _range(choice, log=choice.log and way != "grid")
        else:
            node[last] = {"values": [_kind(value) for value in values]}
    return {
        "name": shortened(label(space, method), NAME),
        "description": space.question,
        "method": way,
        "metric": {
            "name": f"{phase(space.run({}))}/{metric.name}",
            "goal": "maximize" if metric.higher_is_better else "minimize",
        },
        "parameters": parameters,
        "controller": {"type": "local"},
    }


def _values(space: Space) -> dict[str, list[Any]]:
    """Return what a run's config in W&B has for each value of each choice, of a range for its ends."""
    found: dict[str, list[Any]] = {name: [] for name in space.choices}
    for settings, name in space.tries():
        value: Any = config_of(with_settings(space.base, settings))
        for step in name.split("."):
            value = value[step]
        if value not in found[name]:
            found[name].append(value)
    return found


def _place(name: str, value: Any) -> list[str]:
    return [*name.split("."), "kind"] if isinstance(value, Mapping) else name.split(".")


def _kind(value: Any) -> Any:
    return value["kind"] if isinstance(value, Mapping) else value


def _range(choice: Integer | Real, *, log: bool) -> dict[str, Any]:
    """Return a range as one of W&B's distributions; a grid has none on a log scale."""
    whole = isinstance(choice, Integer)
    told = {"min": choice.low, "max": choice.last}
    if log:
        return (
            {"distribution": "q_log_uniform_values", **told, "q": 1}
            if whole
            else {"distribution": "log_uniform_values", **told}
        )
    if choice.step not in (None, 1):
        return {"distribution": "q_uniform", **told, "q": choice.step}
    return {"distribution": "int_uniform" if whole else "uniform", **told}
