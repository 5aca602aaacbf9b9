"""What a run costs beside its training: the engine's warm server against a fresh interpreter for each run.

    python -m tests.benchmarks.overhead [--runs 64] [--epochs 2] [--wandb offline]

Both train the same runs at the same time, each on one core of its own with one thread: the engine in one `bam run`,
the other one interpreter after another, each of which loads torch and Lightning and trains one run folder. Both write
W&B's record, or neither; Optuna's account is kept by the engine alone. When the engine has finished, the other stops
after its current run. Both must come to the same figures, bit for bit.

*Overhead a run*: the engine's wall time from the end of its first run to the end of the last, less the training
seconds of the runs in between as their `metrics.jsonl` has them (first batch to last score), divided by their number.
It holds claiming, forking, loading data, building, checkpoints, records, W&B, leaving, and Optuna's account. What
comes before the end of the first run is given as *start*.

*Ratio*: how many times as many runs an hour the engine finishes. A fresh interpreter is billed for loading torch and
Lightning, so the ratio tells as much of the machine as of the engine: it cannot exceed (load + training) / training,
which is printed beside it. For a slower machine, give the whole command a part of this one's time, for example
`systemd-run --scope -p CPUQuota=100% python -m tests.benchmarks.overhead` for two cores at half their speed.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

from lightning_bam.config import BAMSpec, Digits, Recipe, Run, SmallResNet
from lightning_bam.folder import RunFolder
from studies import Study, processes

HOME = Path(__file__).parent.parent.parent
BAM = (sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())")
FRESH = """
import sys
from lightning_bam.folder import RunFolder
from lightning_bam.training import train
folder = RunFolder(sys.argv[1])
"""
UNTRACKED = f"{FRESH}train(folder)"
TRACKED = f"""{FRESH}
import {", ".join(processes.TRACKED)}
from studies.devices import Slot
from studies.job import Job
from studies.tracking import Tracking
job = Job(folder=folder.path, study="overhead", row=sys.argv[2], slot=Slot(1), wandb=sys.argv[3])
tracking = Tracking.start(job, folder.run())
tracking.report(train(folder, logger=tracking.logger))
tracking.finish(0)
"""


def short_study(runs: int, epochs: int) -> Study:
    """Return a study of `runs` runs (an even number) of a tiny network on plain digits."""
    recipe = Recipe(epochs=epochs, batch_size=48, lr=0.1, schedule="cosine", crop_padding=0, flip=False)
    plain = Run(dataset=Digits(), backbone=SmallResNet(width=4), recipe=recipe)
    return Study(
        name="overhead",
        question="What does a run cost beside its training?",
        rows={"none": plain, "BAM": replace(plain, attention=BAMSpec(reduction=4, dilation=1))},
        baseline="none",
        scientific=("attention",),
        seeds=runs // 2,
    )


@dataclass
class Fresh:
    """Trains the runs of a study one after the other, each in an interpreter of its own, until told to stop."""

    study: Study
    root: Path
    wandb: str
    done: list[float] = field(default_factory=list)
    told: threading.Event = field(default_factory=threading.Event)

    def train(self) -> None:
        """Train until `told`, and note when each run has ended, in seconds after the start."""
        started = time.monotonic()
        for cell in self.study.runs():
            folder = RunFolder.of(self.root, cell.run)
            folder.describe(cell.run)
            code = UNTRACKED if self.wandb == "off" else TRACKED
            words = [sys.executable, "-W", "ignore", "-c", code, str(folder.path), cell.row, self.wandb]
            subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
            self.done.append(time.monotonic() - started)
            if self.told.is_set():
                return


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured; seconds, and runs an hour."""

    runs: int
    start: float
    training: float
    overhead: float
    rate: float
    fresh_runs: int
    fresh_training: float
    fresh_rate: float

    @property
    def ratio(self) -> float:
        """How many times as many runs an hour the engine finishes."""
        return self.rate / self.fresh_rate

    @property
    def load(self) -> float:
        """What a run in a fresh interpreter costs beside its training; seconds."""
        return 3600 / self.fresh_rate - self.fresh_training

    @property
    def limit(self) -> float:
        """The ratio of an engine without any overhead."""
        return 3600 / self.fresh_rate / self.training


def measure(runs: int, epochs: int, wandb: str, root: Path) -> Measured:
    """Train the same runs in both ways, side by side.

    Raises:
        AssertionError: a run that failed, or one that came to other figures.

    """
    study = short_study(runs, epochs)
    engine, fresh = root / "engine", Fresh(study, root / "fresh", wandb)
    file = root / "overhead.py"
    file.write_text(f"from tests.benchmarks.overhead import short_study\nSTUDY = short_study({runs}, {epochs})\n")
    other = threading.Thread(target=fresh.train)
    started = time.time()
    other.start()
    words = ["run", str(file), "--root", str(engine), "--devices", "cpu:1", "--wandb", wandb]
    subprocess.run([*BAM, *words], check=True, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(HOME)})
    fresh.told.set()
    other.join()
    for cell in study.runs()[: len(fresh.done)]:
        same = ("train_loss", "error_top1", "loss")
        pair = [RunFolder.of(at, cell.run).metrics() for at in (engine, fresh.root)]
        assert [[line[n] for n in same] for line in pair[0]] == [[line[n] for n in same] for line in pair[1]]
    order = sorted((RunFolder(path.parent) for path in engine.glob("*/result.json")), key=_ended)
    assert len(order) == runs
    training = [_training(folder) for folder in order]
    later, wall = training[1:], _ended(order[-1]) - _ended(order[0])
    return Measured(
        runs=runs,
        start=_ended(order[0]) - started,
        training=mean(later),
        overhead=(wall - sum(later)) / len(later),
        rate=3600 * len(later) / wall,
        fresh_runs=len(fresh.done),
        fresh_training=mean(_training(RunFolder.of(fresh.root, cell.run)) for cell in study.runs()[: len(fresh.done)]),
        fresh_rate=3600 * len(fresh.done) / fresh.done[-1],
    )


def _training(folder: RunFolder) -> float:
    return sum(line["seconds"] for line in folder.metrics())


def _ended(folder: RunFolder) -> float:
    return (folder.path / "result.json").stat().st_mtime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--wandb", choices=("off", "offline"), default="offline")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        found = measure(given.runs, given.epochs, given.wandb, Path(root))
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, W&B {given.wandb}")
    print(f"engine: {found.runs} runs of {found.training:.2f} s of training; the first after {found.start:.1f} s, then")
    print(f"        {found.overhead:.2f} s of overhead a run, {found.rate:.0f} runs an hour")
    print(f"fresh interpreters, at the same time: {found.fresh_runs} runs of {found.fresh_training:.2f} s of training,")
    print(f"        {found.load:.2f} s beside it, {found.fresh_rate:.0f} runs an hour")
    print(f"ratio: {found.ratio:.1f} (without any overhead it would be {found.limit:.1f})")


if __name__ == "__main__":
    main()
