"""W&B's records as W&B itself reads them: `wandb leet inspect --json`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace


def messages(path: Path) -> list[dict]:
    """Return every message of a `.wandb` file, or of the record that has it."""
    words = [sys.executable, "-P", "-m", "wandb", "leet", "inspect", "--json", str(path)]
    environment = {**os.environ, "WANDB_ERROR_REPORTING": "false"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    return [json.loads(line) for line in done.stdout.splitlines()]


def record(folder: Path) -> Path:
    """Return the only record of a run folder's run."""
    (path,) = folder.parent.glob(f"wandb/*run-*-{folder.name}")
    return path


def read(folder: Path) -> dict:
    """Return what the only record of a run folder's run holds.

    `run`, `config`, `history` (a line a step), `metrics` (how figures are shown, by name), `summary`, `artifacts`,
    `alerts`, `stats` (a line a system sample), `printed` and the `exit` code, None where it has not ended.
    """
    found: dict = {
        "config": {},
        "history": [],
        "metrics": {},
        "summary": {},
        "artifacts": [],
        "alerts": [],
        "stats": [],
        "printed": [],
        "exit": None,
    }
    for message in messages(record(folder)):
        kind = message["type"]
        content = message[kind]
        if kind == "run":
            found["run"] = SimpleNamespace(**{"entity": "", "sweep_id": "", **content})
            found["config"] |= content["config"]["update"]
        elif kind in ("config", "summary"):
            found[kind] |= content["update"]
        elif kind == "history":
            found["history"].append(content["item"])
        elif kind == "metric":
            found["metrics"][content.get("name") or content["glob_name"]] = content
        elif kind == "artifact":
            found["artifacts"].append(content)
        elif kind == "alert":
            found["alerts"].append(content)
        elif kind == "stats":
            found["stats"].append(content["item"])
        elif kind in ("output_raw", "output_logger"):
            found["printed"].append(content["line"])
        elif kind == "exit":
            found["exit"] = content["exit_code"]
    return found


def settled(folder: Path, seconds: float = 30) -> dict:
    """Return `read` once there is an exit code: W&B's service writes on when `finish` has returned."""
    found: dict = {}
    until = time.monotonic() + seconds
    while found.get("exit") is None and time.monotonic() < until:
        found = read(folder)
        time.sleep(0.1)
    return found
