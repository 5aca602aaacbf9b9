"""Whether a run can be trained, as far as its network and its optimizer say, and what it costs; nothing is trained.

As a program, the answer to runs that are given as JSON lines on stdin, a line each: how a process without torch asks.
A line is a run, and where the classes of the user's own in it stand.
"""

import json
import os
import sys
from dataclasses import asdict

import torch

from lightning_bam.config import ConfigError, Run, from_dict
from lightning_bam.network import Cost, build, count
from lightning_bam.training.optimizer import make_optimizer
from lightning_bam.user_code.build import told
from lightning_bam.user_code.load import Source, load, own_parts


def check(run: Run) -> Cost:
    """Return what `count` says of the run's network; ConfigError where torch takes neither it nor its optimizer."""
    cost = count(run)
    if run.recipe.optimizer != "sgd" or run.recipe.optimizer_options:
        with torch.device("cpu" if own_parts(run) else "meta"):  # the user's own may do more than that knows
            make_optimizer(build(run).parameters(), run.recipe)
    return cost


def main() -> None:
    """Answer each run on stdin with its cost, or with what is wrong with it."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the user's own code may print
    for line in sys.stdin:
        data, own = json.loads(line)
        try:
            load(Source(*place) for place in own)
            cost = check(from_dict(data))
        except ConfigError as error:
            print(json.dumps({"error": str(error)}), file=answers)
        except Exception as error:  # a mistake in a person's code, in a place that nothing else looks at
            if not own:
                raise
            print(json.dumps({"error": told(error)}), file=answers)
        else:
            print(json.dumps(asdict(cost)), file=answers)
    answers.close()


if __name__ == "__main__":
    main()
