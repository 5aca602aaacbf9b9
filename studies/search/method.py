"""How a space is searched: which sampler and pruner, how many trials, how many seeds a trial."""

from dataclasses import dataclass

from studies.errors import StudyError
from studies.search.choices import size_of
from studies.search.pruners import BY_EPOCH, LEAST_EPOCHS, LEAST_SEEDS, PrunerName
from studies.search.samplers import SamplerName
from studies.search.space import Space

TRIALS = 30
"""Trials of a search that does not say how many."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """How to search; `trials` are configurations in all, earlier calls' included, None for 30 or all of `brute`.

    None as pruner is `median` where epochs can be compared, else `none`; `seed` is the sampler's. Each configuration is
    run with so many `seeds`, from the base's on; what counts is their mean.
    """

    sampler: SamplerName = "tpe"
    pruner: PrunerName | None = None
    trials: int | None = None
    seed: int = 0
    seeds: int = 1

    def pruner_for(self, space: Space) -> PrunerName:
        """Return the pruner, given what the space allows: by epochs only where it can stop something."""
        if self.pruner is not None:
            return self.pruner
        short = space.most_epochs < LEAST_EPOCHS
        return "none" if self.sampler == "nsga2" or not space.base.actual_task.each_epoch or short else "median"

    def trials_for(self, space: Space) -> int:
        """Return the number of trials; brute force has no more than there are configurations."""
        if self.sampler == "brute" and space.size is not None:
            return min(self.trials or space.size, space.size)
        return self.trials or TRIALS

    def check(self, space: Space) -> None:
        """Raise a StudyError for a sampler, pruner and space that cannot go together."""
        pruner = self.pruner_for(space)
        if self.sampler == "brute" and space.size is None:
            endless = next(name for name, choice in space.choices.items() if size_of(choice) is None)
            raise StudyError(
                f"--sampler brute: {endless} is from a continuum, which no list ends; give its Real a step or take "
                "another sampler"
            )
        if self.sampler == "nsga2" and pruner != "none":
            raise StudyError(
                f"--sampler nsga2 --pruner {pruner}: two objectives cannot be pruned; use --pruner none, or tpe"
            )
        task = space.base.actual_task
        if not task.each_epoch and pruner in BY_EPOCH:
            raise StudyError(
                f"--pruner {pruner}: compares epochs, and {task.kind} is scored only after the last one; use "
                f"--pruner none, or --pruner wilcoxon --seeds {LEAST_SEEDS}"
            )
        if pruner in BY_EPOCH and space.most_epochs < LEAST_EPOCHS:
            raise StudyError(
                f"--pruner {pruner}: compares epochs, and with recipe.epochs={space.most_epochs} it can stop nothing; "
                f"use --pruner none, or at least {LEAST_EPOCHS} epochs"
            )
        if pruner == "wilcoxon" and self.seeds < LEAST_SEEDS:
            raise StudyError(
                f"--pruner wilcoxon --seeds {self.seeds}: it compares seeds, and with fewer than {LEAST_SEEDS} it can "
                f"stop nothing; use --seeds {LEAST_SEEDS} or more, or another pruner"
            )


def label(space: Space, method: Method) -> str:
    """Return the name of the search's Optuna study: searches whose figures mean the same share one."""
    parts = ["search", space.name]
    if method.seeds > 1:
        parts.append(f"seeds={method.seeds}")
    if method.sampler == "nsga2":
        parts.append("error-macs")
    return "+".join(parts)
