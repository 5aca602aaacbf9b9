"""What a run costs beside its training: the engine's warm server against a fresh interpreter for each run.

    python -m tests.benchmarks.overhead [--runs 64] [--epochs 2] [--wandb offline]

Both train the same runs with one thread each: the engine in one `bam run`, the other one interpreter after another,
each of which loads torch and Lightning and trains one run folder. Both write W&B's record, or neither; Optuna's account
is kept by the engine alone. Both must come to the same figures, bit for bit. It is done in two ways:

*A core each, at the same time*: the engine on one slot, the interpreters beside it until the engine has finished. This
is what a run costs.

*The machine, in turns*: the engine on a slot a core, as `bam run` does it unasked, against a loop over the runs, as a
script does it (`--at-a-time 2`: one that trains two at a time); each alone, turn about, the runs in two halves. This is
what a researcher has of it.

*Overhead a run*: the engine's wall time from the end of its first run to the end of the last, less the training
seconds of the runs in between as their `metrics.jsonl` has them (first batch to last score), divided by their number.
It holds claiming, forking, loading data, building, checkpoints, records, W&B, leaving, and Optuna's account. What
comes before the end of the first run is given as *start*.

*Ratio*: how many times as many runs an hour the engine finishes. A fresh interpreter is billed for loading torch and
Lightning, so the ratio tells as much of the machine as of the engine: on one core it cannot exceed (load + training) /
training, which is printed beside it. For a slower machine, give the whole command a part of this one's time, as
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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

from lightning_bam.config import BAMSpec, Digits, Recipe, Run, SmallResNet
from lightning_bam.run_folder.folder import RunFolder
from studies import Study
from studies.definition.study import Cell
from studies.workers import forkserver as processes

HOME = Path(__file__).parent.parent.parent
BAM = (sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())")
FRESH = """
import sys
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.training.train import train
folder = RunFolder(sys.argv[1])
"""
UNTRACKED = f"{FRESH}train(folder)"
TRACKED = f"""{FRESH}
import {", ".join(processes.TRACKED)}
from studies.job.devices import Slot
from studies.job.job import Job
from studies.job.observer import End
from studies.tracking.wandb_run import Tracking
job = Job(folder=folder.path, study="overhead", row=sys.argv[2], slot=Slot(1), wandb=sys.argv[3])
tracking = Tracking(job, folder.run())
tracking.start()
tracking.end(End(state="complete", result=train(folder, logger=tracking.logger)))
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
    """Trains runs one after the other, or a few at a time, each in an interpreter of its own, until told to stop."""

    cells: Sequence[Cell]
    root: Path
    wandb: str
    at_a_time: int = 1
    done: list[float] = field(default_factory=list)
    told: threading.Event = field(default_factory=threading.Event)

    def train(self) -> None:
        """Train until `told`, and note when each run has ended, in seconds after the start."""
        started = time.monotonic()
        with ThreadPoolExecutor(self.at_a_time) as pool:
            for _ in pool.map(self._one, self.cells):
                self.done.append(time.monotonic() - started)
                if self.told.is_set():
                    return  # the others do, too

    def _one(self, cell: Cell) -> None:
        if self.told.is_set():
            return
        folder = RunFolder.of(self.root, cell.run)
        folder.describe(cell.run)
        code = UNTRACKED if self.wandb == "off" else TRACKED
        words = [sys.executable, "-W", "ignore", "-c", code, str(folder.path), cell.row, self.wandb]
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)


@dataclass(frozen=True)
class Trained:
    """Runs that have been trained: when the first and the last had ended, seconds of the clock, and what each took.

    Attributes:
        ended: when each run had ended.
        training: seconds of training of each, in the same order.

    """

    ended: Sequence[float]
    training: Sequence[float]

    @classmethod
    def under(cls, root: Path) -> Trained:
        """Read what is under a runs folder."""
        order = sorted((RunFolder(path.parent) for path in root.glob("*/result.json")), key=_ended)
        return cls([_ended(folder) for folder in order], [_training(folder) for folder in order])

    @property
    def wall(self) -> float:
        """Seconds from the end of the first run to the end of the last."""
        return self.ended[-1] - self.ended[0]

    @property
    def later(self) -> Sequence[float]:
        """Seconds of training of all but the first."""
        return self.training[1:]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured; seconds, and runs an hour."""

    slots: int
    runs: int
    start: float
    training: float
    overhead: float
    rate: float
    at_a_time: int
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
        return self.at_a_time * 3600 / self.fresh_rate - self.fresh_training

    @property
    def limit(self) -> float:
        """The ratio of an engine without any overhead."""
        return self.slots * 3600 / self.fresh_rate / self.training

    def __str__(self) -> str:
        """Return it in words."""
        return (
            f"engine, {self.slots} at a time: {self.runs} runs of {self.training:.2f} s of training; the first after "
            f"{self.start:.1f} s, then\n        {self.overhead:.2f} s of overhead a run, {self.rate:.0f} runs an hour\n"
            f"fresh interpreters, {self.at_a_time} at a time: {self.fresh_runs} runs of {self.fresh_training:.2f} s of "
            f"training,\n        {self.load:.2f} s beside it, {self.fresh_rate:.0f} runs an hour\n"
            f"ratio: {self.ratio:.1f} (without any overhead it would be {self.limit:.1f})"
        )


def side_by_side(runs: int, epochs: int, wandb: str, root: Path) -> Measured:
    """Train the same runs in both ways at the same time, each on a core of its own.

    Raises:
        AssertionError: a run that failed, or one that came to other figures.

    """
    fresh = Fresh(short_study(runs, epochs).runs(), root / "fresh", wandb)
    other = threading.Thread(target=fresh.train)
    other.start()
    started = time.time()
    engine = by_engine(runs, epochs, wandb, root / "engine", slots=1)
    fresh.told.set()
    other.join()
    return _measured(1, [(started, engine)], [fresh], root)


def in_turns(runs: int, epochs: int, wandb: str, root: Path, slots: int, at_a_time: int) -> Measured:
    """Train the same runs in both ways, each alone on the whole machine: a few, then half of the engine's, twice.

    Raises:
        AssertionError: a run that failed, or one that came to other figures.

    """
    turns, loops = [], []
    for turn in range(2):
        cells = short_study(runs // 2, epochs).runs()[: max(2, runs // 16)]
        loops.append(Fresh(cells, root / f"fresh{turn}", wandb, at_a_time))
        loops[-1].train()
        started = time.time()
        turns.append((started, by_engine(runs // 2, epochs, wandb, root / f"engine{turn}", slots)))
    return _measured(slots, turns, loops, root)


def by_engine(runs: int, epochs: int, wandb: str, root: Path, slots: int) -> Trained:
    """Train the study in one `bam run` on so many CPU slots."""
    root.mkdir(parents=True)
    file = root / "overhead.py"
    file.write_text(f"from tests.benchmarks.overhead import short_study\nSTUDY = short_study({runs}, {epochs})\n")
    words = ["run", str(file), "--root", str(root), "--devices", f"cpu:{slots}", "--wandb", wandb]
    subprocess.run([*BAM, *words], check=True, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(HOME)})
    trained = Trained.under(root)
    assert len(trained.ended) == runs
    return trained


def _measured(slots: int, turns: list[tuple[float, Trained]], loops: list[Fresh], root: Path) -> Measured:
    """Put the turns of both together, once they are known to have trained the same."""
    engines = sorted(root.glob("engine*"))
    for engine, loop in zip(engines, loops, strict=True):
        for cell in loop.cells[: len(loop.done)]:
            same = ("train_loss", "error_top1", "loss")
            pair = [RunFolder.of(at, cell.run).metrics() for at in (engine, loop.root)]
            assert [[line[n] for n in same] for line in pair[0]] == [[line[n] for n in same] for line in pair[1]]
    later = [seconds for _, trained in turns for seconds in trained.later]
    wall = sum(trained.wall for _, trained in turns)
    fresh = [seconds for loop in loops for seconds in Trained.under(loop.root).training]
    return Measured(
        slots=slots,
        runs=sum(len(trained.ended) for _, trained in turns),
        start=mean(trained.ended[0] - started for started, trained in turns),
        training=mean(later),
        overhead=(slots * wall - sum(later)) / len(later),
        rate=3600 * len(later) / wall,
        at_a_time=loops[0].at_a_time,
        fresh_runs=sum(len(loop.done) for loop in loops),
        fresh_training=mean(fresh),
        fresh_rate=3600 * sum(len(loop.done) for loop in loops) / sum(loop.done[-1] for loop in loops),
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
    parser.add_argument("--at-a-time", type=int, default=1, help="interpreters, where each has the machine in turn (1)")
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"{platform.machine()}, {cores} cores, load {os.getloadavg()[0]:.1f}, W&B {given.wandb}")
    with tempfile.TemporaryDirectory() as root:
        print("\nA core each, at the same time")
        print(side_by_side(given.runs, given.epochs, given.wandb, Path(root)), flush=True)
    with tempfile.TemporaryDirectory() as root:
        print("\nThe machine, in turns")
        print(in_turns(given.runs, given.epochs, given.wandb, Path(root), cores, given.at_a_time))


if __name__ == "__main__":
    main()
