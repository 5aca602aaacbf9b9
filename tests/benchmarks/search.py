"""Does a search find a planted optimum in fewer trials than random, and what does pruning save?

Real `Search` objects over the catalogue's conditional space, learning curves from a formula
(tests/studies/search/surrogate.py), no training, one run at a time, trials kept in memory. Found: a whole run of a
configuration whose limit lies within one percentage point of the planted one's. Every way has the same budget of
trials; one that does not find it counts as one trial more than that. Epochs pruned: of what whole runs would have cost.

command     python -m tests.benchmarks.search [--seeds 20] [--trials 150] [--only tpe+asha,random+none]
            python -m tests.benchmarks.search --ask 1000,10000
hardware    two shared cores of an AMD EPYC, CPU; other work beside
result      20 seeds, 150 trials of 27 epochs; trials and epochs to find, means over the seeds (in brackets: median):
            random, no pruning  135.1 (151)   3623 epochs   found by  3 of 20    0 % of epochs pruned
            TPE, median          74.6 (66.5)   817 epochs   found by 18 of 20   58 %
            TPE, ASHA            58.3 (51.0)   541 epochs   found by 20 of 20   62 %
            TPE, Hyperband       80.0 (75.5)  1003 epochs   found by 19 of 20   48 %
            claiming and completing a trial over a journal of finished ones, ms: random 13 at 1,000, 26 at 10,000;
            TPE 141 and 479 (its model reads every trial)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import fmean, median

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial

from studies.search.choices import Real
from studies.search.method import Method
from studies.search.search import Search
from tests.studies.search.surrogate import EPOCHS, SPACE, drive, limit, search_for

WAYS = ("random+none", "tpe+median", "tpe+asha", "tpe+hyperband")


def find(sampler, pruner, seeds, trials):
    """Search with each seed and print one line."""
    began, spent = time.perf_counter(), []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as root:
            method = Method(sampler=sampler, pruner=pruner, trials=trials, seed=seed)
            spent.append(drive(search_for(Path(root), method)))
    found = [one.found_at or trials + 1 for one in spent]
    epochs = [one.found_after or one.epochs for one in spent]
    print(
        f"{sampler:7} {pruner:10} trials to find {fmean(found):6.1f} ({median(found):5.1f})  "
        f"found {sum(one.found_at is not None for one in spent):2} of {seeds}  "
        f"epochs to find {fmean(epochs):6.0f}  epochs pruned {fmean(one.share_pruned for one in spent):4.0%}  "
        f"limit of the best {fmean(one.best for one in spent):.2f} %  "
        f"{(time.perf_counter() - began) / sum(one.trials for one in spent) * 1000:.0f} ms a trial",
        flush=True,
    )


def ask(sampler, finished, times=20):
    """Print how long a claim and its completion take over a journal of so many finished trials."""
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as root:
        search = Search(Path(root), SPACE, Method(sampler=sampler, pruner="none", trials=finished + times))
        search.optuna.add_trials([invented(generator) for _ in range(finished)])
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            trial, cell = search.claim()
            search.complete(trial, limit(cell.run))
            taken.append(time.perf_counter() - began)
    print(
        f"{sampler:7} {finished:6} finished trials: {median(taken) * 1000:6.1f} ms to claim and complete (n = {times})"
    )


def invented(generator):
    """Return a finished trial with values drawn at random."""

    def choose(name, choice):
        if isinstance(choice, Real):
            return float(choice.low * (choice.high / choice.low) ** generator.random())
        return str(generator.choice(choice))

    params = SPACE.draw(choose)
    kinds = {
        name: FloatDistribution(choice.low, choice.high, log=choice.log)
        if isinstance(choice, Real)
        else CategoricalDistribution(tuple(choice))
        for name, choice in SPACE.choices.items()
    }
    run = SPACE.run(params)
    return create_trial(
        params=params,
        distributions={name: kinds[name] for name in params},
        value=limit(run),
        user_attrs={"key": run.key},
    )


def main():
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--only", default=",".join(WAYS))
    parser.add_argument("--ask", help="instead: how long claiming takes after so many finished trials")
    arguments = parser.parse_args()
    if arguments.ask:
        for finished in map(int, arguments.ask.split(",")):
            for sampler in ("random", "tpe"):
                ask(sampler, finished)
        return
    print(f"{arguments.seeds} seeds, {arguments.trials} trials of {EPOCHS} epochs")
    for way in arguments.only.split(","):
        find(*way.split("+"), arguments.seeds, arguments.trials)


if __name__ == "__main__":
    main()
