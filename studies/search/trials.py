"""The trials of a search: which count as made, why one has no figure, and which are asked for again."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

RUN_FAILED: Final = "its run failed"
FAILED_BEFORE: Final = "this configuration has failed before"
TRIED_ALREADY: Final = "this configuration is being tried already"
ANOTHERS: Final = "its run is another's"
ALL_TRIED: Final = "every configuration has been tried"
"""Why a trial has no figure; any other reason is a configuration that cannot be."""
HARMLESS: Final = (TRIED_ALREADY, ANOTHERS, ALL_TRIED)
"""Those that another trial makes good for."""


def counted(trials: Sequence[FrozenTrial]) -> Iterator[FrozenTrial]:
    """Yield the trials that count as made: not one that is only asked for, was interrupted, or is asked for again.

    One that failed says `why`, and one that does not was interrupted. `late` stands in journals of older versions, in
    which a trial that was pruned in its last epoch has a second one with its figure.
    """
    again = {trial.user_attrs.get("again") for trial in trials}
    for trial in trials:
        failed = trial.state == TrialState.FAIL
        interrupted = failed and ("why" not in trial.user_attrs or trial.number in again)
        if trial.state != TrialState.WAITING and not interrupted and "late" not in trial.user_attrs:
            yield trial


def troubles(trials: Sequence[FrozenTrial]) -> Counter[str]:
    """Return why trials have no figure where something is wrong, and how many each."""
    reasons = (str(t.user_attrs["why"]) for t in counted(trials) if t.state == TrialState.FAIL)
    return Counter(why for why in reasons if why not in HARMLESS)


def requeue(study: optuna.Study, trial: FrozenTrial | Trial, *, retry: bool = False) -> None:
    """Put an interrupted trial's configuration first; with `retry` also one whose run failed."""
    attrs = {"again": trial.number, "retry": retry or trial.user_attrs.get("retry", False)}
    study.enqueue_trial(dict(trial.params), user_attrs=attrs)


def requeue_failed(study: optuna.Study) -> None:
    """Ask once more for each configuration whose run has failed, unless that has been done; others are kept out."""
    keys: set[str] = set()
    for trial in counted(study.get_trials(deepcopy=False)):
        attrs = trial.user_attrs
        if attrs.get("why") in (RUN_FAILED, FAILED_BEFORE) and attrs.get("key") not in (None, *keys):
            keys.add(attrs["key"])
            requeue(study, trial, retry=True)
