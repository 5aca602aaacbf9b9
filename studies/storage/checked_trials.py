"""Trials as others may have written them, into a journal or a database: what is not as we write it is left out."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import Any, Final

from optuna.trial import TrialState

from studies.errors import StudyError

ATTRIBUTES: Final[Mapping[str, type]] = {
    **dict.fromkeys(("key", "row", "home", "owner", "by", "why", "rule"), str),
    **dict.fromkeys(("again", "late", "workers"), int),
    **dict.fromkeys(("searched", "fixed_params", "sweeps"), dict),
    "retry": bool,
}
"""The attributes of trials and studies that are read here, ours and one of Optuna's, and their types."""
LONGEST: Final = 2**20
"""Characters of a text among them: a stopping rule of a thousand rows has fewer."""
MALFORMED: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, RecursionError)
"""What reading data of other types or sizes raises."""


def attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes without those that are not of their type."""
    return {name: value for name, value in given.items() if name not in ATTRIBUTES or _fits(value, ATTRIBUTES[name])}


def _fits(value: object, kind: type) -> bool:
    return type(value) is kind and not (isinstance(value, str) and len(value) > LONGEST)


def _number(value: object) -> bool:
    return type(value) in (int, float)


def _finite(value: Any) -> bool:
    return _number(value) and isfinite(value)


CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("study_name", "param_name"), lambda value: isinstance(value, str)),
    **dict.fromkeys(("study_id", "trial_id", "step"), lambda value: type(value) is int),
    "intermediate_value": _number,
    "value": lambda value: value is None or _finite(value),
    "values": lambda value: value is None or (isinstance(value, list) and all(map(_finite, value))),
    "params": lambda value: isinstance(value, dict),
    "intermediate_values": lambda value: isinstance(value, dict) and all(map(_number, value.values())),
    **dict.fromkeys(
        ("user_attr", "system_attr", "user_attrs", "system_attrs"),
        lambda value: isinstance(value, dict) and len(attributes(value)) == len(value),
    ),
}
"""Fields of a journal's entries, and what Optuna writes there."""


def is_entry(entry: Any) -> bool:
    """Say whether an entry of a journal has the types that Optuna gives it, and what is complete has a figure."""
    try:
        if not isinstance(entry, dict) or not all(CHECKS[name](entry[name]) for name in entry if name in CHECKS):
            return False
        figures = entry.get("values") or entry.get("value") is not None
        return bool(figures) or entry.get("state") != TrialState.COMPLETE.value
    except OverflowError:  # a number that no float can hold
        return False


@contextmanager
def readable(whose: str) -> Iterator[None]:
    """Raise a `StudyError` of one line where Optuna stumbles over what neither it nor we have written."""
    try:
        yield
    except MALFORMED as error:
        if isinstance(error, ValueError) and type(error).__module__.startswith(("lightning_bam", "studies")):
            raise  # a line already
        raise StudyError(
            f"{whose}: its Optuna study holds what was not written by a search or a study ({type(error).__name__}: "
            f"{str(error)[:80]!r}); use another --root or --storage, or give it another name"
        ) from error
