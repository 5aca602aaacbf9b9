"""A runs folder as a colleague would send it: made-up figures, and every kind of file that a verb reads."""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.cli import main
from lightning_bam.config import Run
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.hashes import hashes
from lightning_bam.run_folder.result import Result
from studies.coordination.location import Place
from studies.library import find_space, find_study
from studies.search.method import Method
from studies.search.search import Search
from studies.stopping_rules.declaration import declare

STUDY = """
from itertools import product
from lightning_bam import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Study
from studies.definition.stopping import Stopping

BASE = dict(dataset=Digits(), backbone=SmallResNet(width=4), recipe=Recipe(epochs=2, crop_padding=0))
ROWS = {
    f"{combine} {reduction}": Run(attention=BAMSpec(combine=combine, reduction=reduction), **BASE)
    for combine, reduction in product(("sum", "max"), (2, 4))
}
STUDY = Study(
    name="NAME", question="Combination or reduction?", rows={"none": Run(**BASE), **ROWS}, baseline="none", seeds=3,
    scientific=("attention", "attention.combine", "attention.reduction")RULE,
)
"""
SPACE = """
from lightning_bam import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Space

SPACE = Space(
    name="sought", question="Which reduction?",
    base=Run(
        dataset=Digits(), backbone=SmallResNet(width=4), attention=BAMSpec(), recipe=Recipe(epochs=2, crop_padding=0)
    ),
    choices={"attention.reduction": ("2", "4"), "attention.combine": ("sum", "max")},
)
"""
SQUEUE = "#!/bin/sh\necho '12_0|RUNNING|node1|0|1:00|None|'\n"
SEARCHED = ("--sampler", "random", "--pruner", "none", "--trials", "2")
SCORED = 360
MADE = {
    "started": "2026-01-02T03:04:05+00:00",
    "device": "cpu",
    "threads": 1,
    "world_size": 1,
    "data": "0123456789abcdef",
    "version": "0.1.0",
    "commit": "3f2a91c00000",
    "torch": "2.11.0",
    "torchvision": "0.26.0",
    "pytorch_lightning": "2.6.0",
    "python": "3.13.1",
    "host": "node1",
    "cpu": "AVX2",
}
SEEN = {
    "train_seconds": 1.25,
    "images_per_s": 1024.0,
    "memory_gib": 0.5,
    "gates": {"layer1": {"mean": 0.5, "saturated": 0.25}, "layer2": {"mean": 0.75, "saturated": 0.0}},
}
"""What an epoch's line has beside."""


def figures(wrong: int) -> dict[str, Any]:
    """Return what is scored where so many images of `SCORED` are classified wrongly."""
    return {
        "error_top1": 100 * wrong / SCORED,
        "error_top5": 100 * (wrong // 4) / SCORED,
        "correct_top1": SCORED - wrong,
        "correct_top5": SCORED - wrong // 4,
        "scored": SCORED,
        "loss": 0.75,
    }


def begin(folder: RunFolder, run: Run, place: int, **entries: Any) -> None:
    """Write a run that was interrupted after its first epoch and gone on with."""
    attempts = [
        {"attempt": 1, "from_epoch": 0, **MADE, "cause": "interrupted"},
        {"attempt": 2, "from_epoch": 1, "from_batch": 0, **MADE, "commit": "91bc00200000"},
    ]
    folder.describe(run)
    made = {
        "schema": 1,
        "key": run.key,
        "attempt": 2,
        **dict.fromkeys(("error", "cause", "rank", "traceback")),
        "losses": 1,
        "retries": 0,
        "first_batch": [7 * run.seed + at for at in range(12)],
        "first_loss": 2.5 + place / 64,
        "attempts": attempts,
    }
    folder.note(**made | MADE | entries)
    folder.append_epoch({"epoch": 0, "train_loss": 2 + place / 64, **figures(200), "lr": 0.1, "seconds": 1.5} | SEEN)


def finish(folder: RunFolder, run: Run, place: int, *, hashed: bool) -> None:
    """Write a complete run, with its hashes or as an older version left it."""
    begin(folder, run, place, state="complete", ended="2026-01-02T04:05:06+00:00", fit_seconds=3.25)
    last = {"epoch": 1, "train_loss": 1 + place / 64, **figures(90 + 5 * place), "lr": 0.01, "seconds": 1.75}
    folder.append_epoch(last | SEEN)
    told = {name: value for name, value in last.items() if name not in ("epoch", "train_loss", "lr", "seconds")}
    size = getattr(run.attention, "reduction", 0)
    result = Result(**told, epochs=2, params=5_000 - size, macs=90_000 - size, seconds=3.25)
    folder.note(sha256=hashes(folder, result) if hashed else None)
    folder.finish(result)


def search(root: Path) -> None:
    """Search without training: each trial's figure is made up."""
    with closing(Search(root, find_space("space.py"), Method(sampler="random", pruner="none", trials=2))) as made:
        for place in range(2):
            claimed = made.claim()
            assert claimed is not None
            trial, cell = claimed
            finish(RunFolder.of(root, cell.run), cell.run, 30 + place, hashed=True)
            trial.report(25.0, 1)
            made.complete(trial, 25.0 + place)


def make(home: Path) -> dict[str, Path]:
    """Make it in `home`, which is the working directory, and return the files that verbs read, by name."""
    root = home / "runs"
    (home / "asked.py").write_text(STUDY.replace("NAME", "asked").replace("RULE", ""))
    rule = ", stopping=Stopping(looks=(2, 3)), margin=0.5"
    (home / "ruled.py").write_text(STUDY.replace("NAME", "ruled").replace("RULE", rule))
    (home / "space.py").write_text(SPACE)
    ruled = find_study("ruled.py")
    declare(ruled, root, [])
    cells = {(cell.row, cell.run.seed): cell.run for cell in find_study("asked.py").runs()}
    for place, ((row, seed), run) in enumerate(cells.items()):
        folder = RunFolder.of(root, run)
        if (row, seed) == ("max 4", 2):
            words = {"rank": 0, "traceback": "Traceback (most recent call last):\nValueError: no\n"}
            begin(folder, run, place, state="failed", cause="nan", error="training loss is nan", **words)
            (folder.path / "rank0.log").write_text("epoch 0\nValueError: no\n")
        elif (row, seed) == ("max 4", 1):
            begin(folder, run, place, state="running")
            (folder.path / "stop").write_text("pruned\n")
        elif (row, seed) == ("max 2", 2):
            begin(folder, run, place, state="pruned", ended="2026-01-02T04:05:06+00:00")
        else:
            finish(folder, run, place, hashed=seed == 0)
    search(root)
    Place.make(root)
    main(["run", "asked.py", "--wandb", "off", "--devices", "cpu:1"])
    (root / "slurm").mkdir()
    note = {"job": "12", "study": "asked", "workers": 2, "submitted": "2026-01-02T03:04:05+00:00"}
    (root / "slurm" / "submissions.jsonl").write_text(json.dumps(note) + "\n")
    (home / "bin").mkdir()
    (home / "bin" / "squeue").write_text(SQUEUE)
    (home / "bin" / "squeue").chmod(0o755)
    os.environ["PATH"] = f"{home / 'bin'}:{os.environ['PATH']}"
    main(["table", "asked.py", "--format", "json", "--output", "table.json"])
    RunFolder(home / "model").describe(replace(cells["sum 2", 0], seed=5))
    RunFolder(home / "model").note(key=replace(cells["sum 2", 0], seed=5).key, source="authors")
    kept = {
        "new": cells["sum 2", 0],
        "old": cells["sum 2", 1],
        "failed": cells["max 4", 2],
        "interrupted": cells["max 4", 1],
    }
    files = {
        f"{name} {file}": root / run.key / file
        for name, run in kept.items()
        for file in ("run.json", "manifest.json", "metrics.jsonl", "result.json")
    }
    files = {name: path for name, path in files.items() if path.exists()}
    main(["plan", "asked.py"])
    counts = next(Path(os.environ["BAM_CACHE"]).glob("counts/*.json"))
    return files | {
        "stop": root / cells["max 4", 1].key / "stop",
        "log": root / cells["max 4", 2].key / "rank0.log",
        "place": root / ".place",
        "rule": root / "rules" / "ruled.json",
        "journal": root / "studies.journal",
        "slurm": root / "slurm" / "submissions.jsonl",
        "table": home / "table.json",
        "counts": counts,
        "model run.json": home / "model" / "run.json",
        "model manifest.json": home / "model" / "manifest.json",
    }
