"""What many runs cost those who look at them: `bam status`, `bam table`, and Optuna's account of a run.

    [BAM_TEST_POSTGRES=postgresql://...] python -m tests.benchmarks.scale [--runs 10000] [--convs 1] [--skip-trials]

`bam status` and `bam table` are timed as whole commands (the system has the files in memory, and Python its bytecode,
as after a first call), each beside a plain loop that reads the same files and parses them. A trial is begun with its
parameters and marks, sends its first heartbeat (in PostgreSQL), is reported twice and told as the engine does it, in
the journal and, where the environment names one, in PostgreSQL; the first trial after opening the storage also reads
the finished ones. What is printed first is asking and telling alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import optuna
from optuna.trial import TrialState

from lightning_bam.config import to_dict
from lightning_bam.run_folder.folder import SCHEMA, RunFolder
from lightning_bam.run_folder.result import Result
from studies.definition.study import Study
from studies.engine.study_trials import StudyTrials
from studies.engine.trial_params import parameters

STUDY = """
from dataclasses import replace
from lightning_bam.config import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Study
BASE = Run(dataset=Digits(), backbone=SmallResNet(width=16), recipe=Recipe(epochs=2))
ROWS = {{f"r{{r}} d{{d}} c{{c}}": replace(BASE, attention=BAMSpec(reduction=r, dilation=d, dilated_convs=c))
        for c in range(1, {convs} + 1) for r in range(1, 12) for d in range(1, 10)}}
STUDY = Study(
    name="scale", question="Does it scale?", rows={{"none": BASE, **ROWS}}, baseline="none", seeds={seeds},
    scientific=("attention", "attention.reduction", "attention.dilation", "attention.dilated_convs")[:{names}],
)
"""
"""A study file of 100 rows, or of 99 more for each further number of dilated convs."""


def study_of(path: Path, runs: int, convs: int = 1) -> Study:
    """Write a study file of about `runs` runs in 99 * `convs` + 1 rows, and return the study."""
    seeds = max(1, round(runs / (99 * convs + 1)))
    path.write_text(STUDY.format(seeds=seeds, convs=convs, names=3 if convs == 1 else 4))
    names: dict[str, Study] = {}
    exec(path.read_text(), names)
    return names["STUDY"]


def fill(study: Study, root: Path) -> None:
    """Make the folders of a study as training leaves them: 70 % complete, 10 % each failed, interrupted and missing."""
    draw = random.Random(0)
    order = {row: place for place, row in enumerate(study.rows)}
    made = {"device": "cpu", "threads": 1, "world_size": 1, "data": "5f" * 32, "version": "0.1.0", "torch": "2.14.1"}
    made |= {"torchvision": "0.29.1", "pytorch_lightning": "2.7.0", "python": "3.11.7", "host": "here", "cpu": "AVX2"}
    made |= {"commit": "f7d7e080c8fd"}
    for number, cell in enumerate(study.runs()):
        kind = (number + cell.run.seed) % 10
        if kind == 9:
            continue
        wrong = 50 + order[cell.row] % 7 + draw.randrange(10)
        figures = {"error_top1": wrong / 5, "error_top5": 1.0, "correct_top1": 500 - wrong, "correct_top5": 495}
        figures |= {"scored": 500, "loss": draw.random()}
        folder = RunFolder.of(root, cell.run).path
        folder.mkdir(parents=True)
        described = {"schema": SCHEMA, "key": cell.run.key, "run": to_dict(cell.run)}
        (folder / "run.json").write_text(json.dumps(described, indent=1))
        (folder / "lock").touch()
        epochs = [
            {"epoch": e, "train_loss": 1.5 + draw.random(), **figures, "lr": 0.1, "seconds": 1.0}
            for e in range(2 if kind < 7 else 1)
        ]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in epochs))
        state = {"state": "complete" if kind < 7 else "failed" if kind == 7 else "running"}
        state |= {"error": "boom" if kind == 7 else None, "first_batch": list(range(64))}
        state |= {"key": cell.run.key, "first_loss": 2.3 + draw.random() / 10}
        attempts = [{"attempt": 1, "from_epoch": 0, **made}]
        (folder / "manifest.json").write_text(json.dumps(state | made | {"attempts": attempts}, indent=1))
        if kind < 7:
            result = Result(**figures, epochs=2, params=5349 + order[cell.row], macs=52520, seconds=2.0)
            told = result.figures()
            (folder / "result.json").write_text(json.dumps(told, indent=1))


def plain_loop(root: Path) -> float:
    """Return the seconds that it takes to read and parse run.json, result.json and the metrics of every run."""
    started = time.perf_counter()
    for folder in root.iterdir():
        for name in ("run.json", "result.json"):
            if (folder / name).exists():
                json.loads((folder / name).read_text())
        for line in (folder / "metrics.jsonl").read_text().splitlines():
            json.loads(line)
    return time.perf_counter() - started


def trial_seconds(
    study: Study, root: Path, url: str | None, finished: int, asked: int = 50
) -> list[tuple[float, float]]:
    """Return the seconds that asking and telling each of `asked` trials takes, without and with its reports.

    Before them there are `finished` ones.
    """
    study_trials = StudyTrials(root, study, url)
    cells = study.runs()
    study_trials.optuna.add_trials(
        optuna.create_trial(
            state=TrialState.COMPLETE,
            value=10.0,
            params=parameters(cell.run, study_trials.distributions),
            distributions={
                name: study_trials.distributions[name] for name in parameters(cell.run, study_trials.distributions)
            },
            user_attrs={"key": cell.run.key, "row": cell.row},
            intermediate_values={0: 20.0, 1: 10.0},
        )
        for cell in cells[:finished]
    )
    study_trials.close()
    study_trials = StudyTrials(root, study, url)
    taken = []
    for cell in cells[:asked]:
        started = time.perf_counter()
        trial = study_trials.begin_trial(cell)
        begun = time.perf_counter()
        trial.report(20.0, 0)
        trial.report(10.0, 1)
        reported = time.perf_counter()
        study_trials.complete(trial, 10.0)
        ended = time.perf_counter()
        taken.append((ended - reported + begun - started, ended - started))
    study_trials.close()
    return taken


def command_seconds(verb: str, home: Path) -> tuple[float, float, float]:
    """Return the wall seconds, the CPU seconds and the peak memory (MiB) of one call of `bam`."""
    words = ["-m", "analysis.cli", verb, str(home / "scale.py"), "--root", str(home / "runs")]
    started = time.perf_counter()
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, *words],
        {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        | {"BAM_CACHE": str(home / "cache"), "PYTHONPYCACHEPREFIX": str(home / "bytecode")},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(child, 0)
    assert status == 0, f"bam {verb}: {status}"
    return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def watch(verb: str, home: Path, times: int) -> None:
    """Print what each of `times` calls costs, after one that is not counted."""
    command_seconds(verb, home)
    for _ in range(times):
        wall, cpu, peak = command_seconds(verb, home)
        plain = plain_loop(home / "runs")
        print(
            f"bam {verb}: {wall:.2f} s ({cpu:.2f} s of CPU), {peak:.0f} MiB; plain loop {plain:.2f} s, "
            f"ratio {wall / plain:.2f}",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--convs", type=int, default=1, help="99 rows for each (1)")
    parser.add_argument("--times", type=int, default=3, help="calls (3)")
    parser.add_argument("--skip-trials", action="store_true", help="leave Optuna out")
    arguments = parser.parse_args()
    runs = arguments.runs
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {runs} runs, {99 * arguments.convs + 1} rows")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        study = study_of(home / "scale.py", runs, arguments.convs)
        fill(study, home / "runs")
        for verb in ("status", "table"):
            watch(verb, home, arguments.times)
        if arguments.skip_trials:
            return
        for title, url in (("journal", None), ("PostgreSQL", os.environ.get("BAM_TEST_POSTGRES"))):
            if title == "journal" or url:
                first, *rest = trial_seconds(study, home / title, url, runs)
                told, whole = (1e3 * statistics.median(each) for each in zip(*rest, strict=True))
                print(
                    f"a trial at {runs}, {title}: ask and tell {told:.1f} ms, with two reports {whole:.1f} ms; "
                    f"the first {1e3 * first[1]:.0f} ms"
                )


if __name__ == "__main__":
    main()
