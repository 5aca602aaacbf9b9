"""A search as it stands, for who only looks: nothing is begun, asked for or taken over."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import optuna
from optuna.trial import TrialState

from lightning_bam.config import Metric
from lightning_bam.run_folder.result import headline
from studies.errors import StudyError
from studies.search.method import Method, label
from studies.search.search import check_same
from studies.search.space import Space
from studies.search.trials import counted
from studies.storage.journal import NAME
from studies.storage.optuna_storage import close_storage, open_storage

_SUFFIX: Final = re.compile(r"(\+seeds=\d+)?(\+error-macs)?$")
"""What tells searches of one space apart (`label`)."""


@dataclass(frozen=True)
class Begun:
    """A search that somebody has begun: its Optuna study, and over what; `trials` are wanted in all."""

    optuna: optuna.Study
    space: Space
    label: str
    metric: Metric
    trials: int

    def states(self) -> Counter[str]:
        """Return how many of the trials that count are complete, pruned, running and failed."""
        trials = self.optuna.get_trials(deepcopy=False)
        states = Counter(trial.state.name.lower() for trial in counted(trials))
        states["failed"] = states.pop(TrialState.FAIL.name.lower(), 0)
        return states


@contextmanager
def begun(root: Path, space: Space, method: Method, url: str | None) -> Iterator[Begun]:
    """Open a search that was begun under `root` or in the database at `url`.

    Raises StudyError where none of this name was, or one over another space.
    """
    method.check(space)
    name = label(space, method)
    if url is None and not os.path.lexists(root / NAME):
        raise _missing(name)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(root, url)
    try:
        if name not in (names := optuna.get_all_study_names(storage)):
            raise _missing(name, sorted(one for one in names if _SUFFIX.sub("", one) == label(space, Method())))
        study = optuna.load_study(study_name=name, storage=storage)
        check_same(study, space, method)
        yield Begun(study, space, name, headline(space.base), method.trials_for(space))
    finally:
        close_storage(storage)


def _missing(name: str, others: Sequence[str] = ()) -> StudyError:
    """Return what to say of a search that has not begun, where others of its space may have."""
    known = f" ({', '.join(others)} has: give its --sampler and --seeds)" if others else ""
    return StudyError(f"{name}: has not begun here{known}; `bam search` alone begins it")
