"""What W&B adds to a run: the same runs with its record and without, at the same time, a core each.

    python -m tests.benchmarks.tracking [--runs 24] [--epochs 20] [--wandb-monitor on]

Two `bam run` train the same study, one with `--wandb offline` and one with `--wandb off`, each on one core; then again
with the cores exchanged, so that neither has the better one. Both must come to the same figures.

*Added a run*: seconds from the end of the first run to that of the last, a run, with W&B less without; the analysis run
at the end of a call is not in it. *Training*: the ratio of what epochs take, by `metrics.jsonl`: system metrics and
console log are taken meanwhile. Both are given for each of the two halves, so that the noise can be seen.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.benchmarks.overhead import BAM, HOME, Trained


def trained(root: Path, core: int, runs: int, epochs: int, words: list[str]) -> Trained:
    """Train the study on one core in a `bam run` with these words."""
    root.mkdir(parents=True)
    file = root / "overhead.py"
    file.write_text(f"from tests.benchmarks.overhead import short_study\nSTUDY = short_study({runs}, {epochs})\n")
    command = ["taskset", "-c", str(core), *BAM, "run", str(file), "--root", str(root), "--devices", "cpu:1", *words]
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env=environment)
    return Trained.under(root)


def figures(root: Path) -> dict[str, str]:
    """Return each run's result but for its seconds."""
    return {path.parent.name: path.read_text().partition('"seconds"')[0] for path in root.glob("*/result.json")}


def half(root: Path, cores: tuple[int, int], runs: int, epochs: int, monitor: str) -> tuple[float, float]:
    """Return the seconds that W&B adds to a run, and how many times as long its epochs take."""
    on, off = root / "on", root / "off"
    with ThreadPoolExecutor(2) as pool:
        with_it = pool.submit(trained, on, cores[0], runs, epochs, ["--wandb", "offline", "--wandb-monitor", monitor])
        without = pool.submit(trained, off, cores[1], runs, epochs, ["--wandb", "off"])
        one, other = with_it.result(), without.result()
    assert figures(on) == figures(off)
    added = (one.wall - other.wall) / len(one.later)
    ratio = sum(one.later) / sum(other.later)
    print(
        f"core {cores[0]} with W&B: {one.wall / len(one.later):.2f} s a run, {sum(one.later) / len(one.later):.2f} of "
        f"them training; core {cores[1]} without: {other.wall / len(other.later):.2f}, "
        f"{sum(other.later) / len(other.later):.2f}; added {added:+.2f} s a run, training x {ratio:.3f}",
        flush=True,
    )
    return added, ratio


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--wandb-monitor", choices=("on", "off"), default="on")
    given = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, cores {cores}, load {load:.1f}, {given.runs} runs of {given.epochs} epochs each")
    halves = []
    for turn in (cores, cores[::-1]):
        with tempfile.TemporaryDirectory() as root:
            halves.append(half(Path(root), (turn[0], turn[1]), given.runs, given.epochs, given.wandb_monitor))
    added, ratio = (sum(part) / 2 for part in zip(*halves, strict=True))
    print(f"W&B adds {added:+.2f} s a run; its epochs take {ratio:.3f} times as long")
    sys.exit(0 if added <= 0.5 and ratio <= 1.03 else 1)


if __name__ == "__main__":
    main()
