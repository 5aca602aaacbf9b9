"""Trials as others may have written them, into a journal or a database: what is not as we write it is left out.

Whoever may write there may write anything. What is left out here can stumble nobody later on: no attribute of another
type, no entry of a journal that Optuna could not have written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import Any, Final

from optuna.trial import TrialState

from studies.errors import StudyError

ATTRIBUTES: Final[Mapping[str, type]] = {
    "key": str,
    "row": str,
    "home": str,
    "owner": str,
    "by": str,
    "why": str,
    "again": int,
    "late": int,
    "retry": bool,
    "searched": dict,
    "workers": int,
    "rule": str,
    "fixed_params": dict,
}
"""The attributes of trials and studies that are read here, ours and one of Optuna's, and their types."""
LONGEST: Final = 2**20
"""Characters of a text among them: a stopping rule of a thousand rows has fewer."""
STUMBLES: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, RecursionError)
"""What reading data of other types or sizes raises."""


def attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes without those that are not of their type."""
    return {name: value for name, value in given.items() if _is(value, ATTRIBUTES.get(name))}


def _is(value: object, kind: type | None) -> bool:
    if isinstance(value, str) and len(value) > LONGEST and kind is not None:
        return False
    return kind is None or (isinstance(value, kind) and isinstance(value, bool) == (kind is bool))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "study_name": lambda value: isinstance(value, str),
    "study_id": lambda value: type(value) is int,
    "trial_id": lambda value: type(value) is int,
    "step": lambda value: type(value) is int,
    "intermediate_value": _number,
    "value": lambda value: value is None or _finite(value),
    "values": lambda value: value is None or (isinstance(value, list) and all(map(_finite, value))),
    "params": lambda value: isinstance(value, dict),
    "param_name": lambda value: isinstance(value, str),
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
    """Say in one line what Optuna stumbles over that neither it nor we have written.

    Raises:
        StudyError: it did.

    """
    try:
        yield
    except STUMBLES as error:
        if isinstance(error, ValueError) and type(error).__module__.startswith(("lightning_bam", "studies")):
            raise  # a line already
        raise StudyError(
            f"{whose}: its Optuna study holds what was not written by a search or a study ({type(error).__name__}: "
            f"{str(error)[:80]!r}); use another --root or --storage, or give it another name"
        ) from error
