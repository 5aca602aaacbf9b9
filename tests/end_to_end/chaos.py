"""Workers under fire: random processes are killed with -9 while a study of short runs is trained.

    python -m tests.end_to_end.chaos --runs 200 --workers 4                  the journal
    python -m tests.end_to_end.chaos --runs 200 --workers 4 --storage URL    PostgreSQL; half of the workers have a
                                                                             runs folder of their own

One process every second or two, of a kind drawn from `AIM`, if there is one of it just then; none while nothing is
trained, or on a busy machine every worker would be killed before it has loaded torch.

Every worker that dies is started again, as a cluster's manager would, and takes up again what was killed too often: on
a busy machine a run may be hit more often than the three times that it is gone on with by itself. In the end every run
is complete exactly once, no process is left, no row is missing, and every figure and every weight is what the quiet run
gave, bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path

import optuna
import psutil
import torch

from analysis.cli import main
from lightning_bam.run_folder.manifest import TIMES
from studies.definition.study import Study
from studies.records.records import gather
from studies.storage.optuna_storage import close_storage, open_storage

STUDY = """
from dataclasses import replace
from lightning_bam import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Study

base = Run(
    dataset=Digits(), backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=2, batch_size=128, schedule="cosine", crop_padding=0, flip=False),
)
STUDY = Study(
    name="chaos", question="Is anything lost?", baseline="none", scientific=("attention",), seeds={seeds},
    rows={{"none": base, "BAM": replace(base, attention=BAMSpec(reduction=4, dilation=1))}},
)
"""
MAIN = [sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())"]
MARK = "BAM_CHAOS"
AIM = {"run": 0.7, "scheduler": 0.15, "server": 0.1, "tracker": 0.05}
"""How often which kind of process is killed; a worker needs seconds to load torch, so that fewer of these are."""


def study_file(folder: Path, runs: int) -> Path:
    """Write the study of `runs` runs, an even number."""
    path = folder / "chaos.py"
    path.write_text(STUDY.format(seeds=runs // 2))
    return path


def load(path: Path) -> Study:
    """Load it."""
    names: dict[str, object] = {}
    exec(path.read_text(), names)
    study = names["STUDY"]
    assert isinstance(study, Study)
    return study


def start(file: Path, root: Path, storage: str | None, mark: str, verb: str = "worker") -> subprocess.Popen[bytes]:
    """Start a worker with one slot; its whole family carries the mark."""
    words = [*MAIN, verb, str(file), "--root", str(root), "--devices", "cpu:1", "--wandb", "off", "--retry", "failed"]
    words += ["--storage", storage] if storage else []
    log = (file.parent / "workers.log").open("ab")
    with log:
        return subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, MARK: mark})


def family(mark: str) -> list[psutil.Process]:
    """Return every living process that carries the mark, whoever is its parent now."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def under_fire(file: Path, roots: list[Path], storage: str | None, seed: int, limit: float) -> Counter[str]:
    """Keep a worker alive on each of `roots` until each has ended by itself; return how many of what were killed."""
    chance, mark = random.Random(seed), uuid.uuid4().hex
    workers = [start(file, root, storage, mark) for root in roots]
    killed: Counter[str] = Counter()
    deadline = time.monotonic() + limit
    while any(worker.poll() is None for worker in workers):
        assert time.monotonic() < deadline, f"not done after {limit} s; killed {dict(killed)}"
        time.sleep(chance.uniform(1, 2))
        heads = {worker.pid for worker in workers}
        roles = {process: role(process, heads) for process in family(mark)}
        kind = chance.choices(list(AIM), weights=list(AIM.values()))[0]
        victims = [process for process, its in roles.items() if its == kind]
        if victims and "run" in roles.values():
            with suppress(psutil.Error):
                chance.choice(victims).kill()
                killed[kind] += 1
        for place, worker in enumerate(workers):
            if worker.poll() not in (None, 0):
                workers[place] = start(file, roots[place], storage, mark)
                killed["(workers started again)"] += 1
    gone_by = time.monotonic() + 15
    while left := family(mark):
        assert time.monotonic() < gone_by, f"orphans: {[p.cmdline() for p in left]}"
        time.sleep(0.2)
    return killed


def role(process: psutil.Process, workers: set[int]) -> str:
    """Say what a process is for."""
    if process.pid in workers:
        return "scheduler"
    with suppress(psutil.Error):
        words = " ".join(process.cmdline())
        for name, sign in (("server", "forkserver"), ("tracker", "resource_tracker")):
            if sign in words and process.ppid() in workers:
                return name
    return "run"


def figures(study: Study, root: Path, *, weights: bool = True) -> dict[str, object]:
    """Return every run's epochs without their times, its result, and a digest of its last checkpoint's weights."""
    found = {}
    for record in gather(study, root):
        assert record.state == "complete", (record.row, record.run.seed, record.state)
        assert record.result is not None
        lines = [{n: v for n, v in line.items() if n not in TIMES} for line in record.metrics]
        told = (json.dumps(lines), record.result.error_top1, record.result.loss)
        found[record.run.key] = (*told, digest(record.folder.checkpoint) if weights else "")
    return found


def digest(checkpoint: Path) -> str:
    """Return a digest of a checkpoint's weights, buffers and optimizer state."""
    held = torch.load(checkpoint, weights_only=True)
    hashed = hashlib.sha256()
    states = held["optimizer_states"][0]["state"]
    tensors = [*held["state_dict"].items(), *((i, s["momentum_buffer"]) for i, s in states.items())]
    for name, tensor in tensors:
        hashed.update(str(name).encode() + tensor.contiguous().numpy().tobytes())
    return hashed.hexdigest()


def check_account(study: Study, root: Path, storage: str | None) -> None:
    """Every run is one complete trial; no trial claims to be running."""
    opened = open_storage(root, storage)
    trials = optuna.load_study(study_name=study.label, storage=opened).get_trials(deepcopy=False)
    close_storage(opened)
    complete = Counter(trial.user_attrs["key"] for trial in trials if trial.state.name == "COMPLETE")
    odd = {key: complete[key] for key in {cell.run.key for cell in study.runs()} | set(complete) if complete[key] != 1}
    told = [(t.number, t.state.name, t.user_attrs["key"], t.datetime_start, t.datetime_complete) for t in trials]
    assert not odd, f"not one trial a run: {odd}; {[one for one in told if one[2] in odd]}"
    assert not [trial.number for trial in trials if trial.state.name in ("RUNNING", "WAITING")]


def in_quiet(folder: Path, runs: int) -> Path:
    """Run the study with nobody killed, from this process; returns its runs folder."""
    root = folder / "quiet"
    words = ["run", str(study_file(folder, runs)), "--root", str(root), "--devices", "cpu:1", "--wandb", "off"]
    assert main(words) == 0
    return root


def chaos(
    folder: Path, quiet: Path, runs: int, workers: int, storage: str | None, seed: int = 0, limit: float = 3600
) -> dict[str, object]:
    """Run the study under fire and compare it with what it gave in `quiet`; returns what happened, in numbers."""
    file = study_file(folder, runs)
    study = load(file)
    began = time.monotonic()
    shared = folder / "runs"
    roots = [shared if storage is None or place % 2 else folder / "alone" for place in range(workers)]
    killed = under_fire(file, roots, storage, seed, limit)
    ended = time.monotonic()
    last = start(file, shared, storage, "last", "run")
    assert last.wait(limit) == 0, (folder / "workers.log").read_text()[-3000:]
    wanted = figures(study, quiet)
    for root in dict.fromkeys(roots):
        mine = figures(study, root, weights=storage is None)
        expected = wanted if storage is None else {key: (*told[:-1], "") for key, told in wanted.items()}
        assert mine == expected, "results differ from the quiet run's"
    steps = {key: steps_of(quiet / key / "checkpoints" / "last.ckpt") for key in wanted}
    ends = [at_the_end(root, steps) for root in dict.fromkeys(roots)]
    assert set().union(*ends) == set(wanted), "every run was trained to its end somewhere"
    assert all(end[key] == wanted[key][-1] for end in ends for key in end), "weights differ from the quiet run's"
    assert sum(map(len, ends)) == len(wanted), "and in one place only"
    check_account(study, shared, storage)
    attempts = [json.loads(path.read_text())["attempt"] for path in shared.glob("*/manifest.json")]
    return {
        "runs": len(wanted),
        "killed": dict(killed),
        "attempts": dict(Counter(attempts)),
        "seconds": round(ended - began, 1),
    }


def at_the_end(root: Path, steps: dict[str, int]) -> dict[str, str]:
    """Return the digests of the checkpoints under `root` that have made all their steps."""
    found = {}
    for path in root.glob("*/checkpoints/last.ckpt"):
        key = path.parent.parent.name
        if steps_of(path) == steps[key]:
            found[key] = digest(path)
    return found


def steps_of(checkpoint: Path) -> int:
    """Return how many steps a checkpoint has behind it."""
    return int(torch.load(checkpoint, weights_only=True)["global_step"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--storage")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        told = chaos(
            Path(name),
            in_quiet(Path(name), arguments.runs),
            arguments.runs,
            arguments.workers,
            arguments.storage,
            arguments.seed,
        )
        print(json.dumps(told, indent=1))
