"""Params and MACs of runs, asked of a process that loads torch so that this one need not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import NamedTuple

from lightning_bam.config import ConfigError, Run, to_dict


class Counts(NamedTuple):
    """`params` of a network, and `macs` for one image."""

    params: int
    macs: int


def counts(rows: Mapping[str, Run]) -> dict[str, Counts]:
    """Count the network of each row exactly, on the meta device.

    Raises:
        ConfigError: a row whose network cannot be built, with its name.

    """
    if not rows:
        return {}
    lines = "".join(json.dumps(to_dict(run)) + "\n" for run in rows.values())
    answer = subprocess.run(
        [sys.executable, "-m", "lightning_bam.cost"], input=lines, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise RuntimeError(f"counting failed: {answer.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Counts] = {}
    for row, line in zip(rows, answer.stdout.splitlines(), strict=True):
        data = json.loads(line)
        if "error" in data:
            raise ConfigError(f"row {row!r}: {data['error']}")
        found[row] = Counts(data["params"], data["macs"])
    return found
