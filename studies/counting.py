"""Params and MACs of runs, asked of processes that load torch so that this one need not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from lightning_bam.config import ConfigError, Run, to_dict
from studies.count_cache import Counts, keep, key_of, network, recall

SHARE = 8
"""Networks that are worth a process of their own: it takes as long to load torch as to count them."""


def counts(rows: Mapping[str, Run]) -> dict[str, Counts]:
    """Count the network of each row exactly, on the meta device, once for equal networks and from the cache if known.

    Raises:
        ConfigError: a row whose network cannot be built, with its name.

    """
    nets = {row: network(run) for row, run in rows.items()}
    keys = {row: key_of(net) for row, net in nets.items()}
    first = {key: row for row, key in reversed(keys.items())}
    known = {key: recall(key, nets[row]) for key, row in first.items()}
    missing = [row for key, row in first.items() if known[key] is None]
    for row, answer in zip(missing, _count([rows[row] for row in missing]), strict=True):
        if isinstance(answer, str):
            raise ConfigError(f"row {row!r}: {answer}")
        known[keys[row]] = answer
        keep(keys[row], nets[row], answer)
    return {row: found for row, key in keys.items() if (found := known[key]) is not None}


def _count(runs: Sequence[Run]) -> list[Counts | str]:
    """Count on as many processes as there are cores and work for; a string says why a network cannot be built."""
    if not runs:
        return []
    workers = max(1, min(os.cpu_count() or 1, len(runs) // SHARE))
    answers: list[Counts | str] = [""] * len(runs)
    with ThreadPoolExecutor(workers) as pool:
        shares = [list(runs[start::workers]) for start in range(workers)]
        for start, found in enumerate(pool.map(_ask, shares)):
            answers[start::workers] = found
    return answers


def _ask(runs: Sequence[Run]) -> list[Counts | str]:
    lines = "".join(json.dumps(to_dict(run)) + "\n" for run in runs)
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "lightning_bam.network"],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    if answer.returncode:
        raise RuntimeError(f"counting failed: {answer.stderr.strip().splitlines()[-1:]}")
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    if len(found) != len(runs):
        raise RuntimeError(f"counting failed: {len(runs)} networks asked for, {len(found)} answers")
    return [data["error"] if "error" in data else Counts(data["params"], data["macs"]) for data in found]
