"""Run folders with made-up figures, written the way a training writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.table.build import Table, tabulate
from lightning_bam.config import BAMSpec, Run, SESpec
from lightning_bam.run_folder.folder import Result, RunFolder
from lightning_bam.run_folder.hashes import CHECKPOINT, hash_text, hashes
from studies.definition.study import Study
from studies.records.records import gather

STUDY = Study(
    name="combine",
    question="Does BAM help, & which way of combining its branches (sum | product | max) is best?",
    rows={
        "none": Run(),
        "BAM": Run(attention=BAMSpec()),
        "BAM product": Run(attention=BAMSpec(combine="product")),
        "BAM max": Run(attention=BAMSpec(combine="max")),
        "SE_r8 <light>": Run(attention=SESpec(reduction=8)),
        "BAM r=1": Run(attention=BAMSpec(reduction=1)),
    },
    baseline="none",
    scientific=("attention", "attention.combine", "attention.reduction"),
    seeds=4,
    published={"none": 21.49, "BAM": 20.0, "SE_r8 <light>": 19.5},
)

ERRORS = {  # row -> seed -> error in percent; None: no result
    "none": [22.0, 21.0, 23.0, 22.5],
    "BAM": [20.0, 19.1, 20.9, 20.4],  # differences -2, -1.9, -2.1, -2.1
    "BAM product": [21.5, 21.3, 22.1, 21.9],  # -0.5, 0.3, -0.9, -0.6: unresolved
    "BAM max": [21.0, 22.5, None, 21.75],  # one failed: -1, 1.5, -0.75
    "SE_r8 <light>": [23.75, None, None, None],  # one missing, one lost, one running or missing
    "BAM r=1": [22.0, 21.0, 23.0, 22.5],  # the change changed nothing
}
COSTS = {"none": (78_042, 12_486_144), "BAM": (79_311, 12_611_072), "BAM r=1": (110_517, 15_000_000)}


def finish(root: Path, run: Run, error: float, *, loss: float = 2.0, **manifest: Any) -> RunFolder:
    """Write a complete run of two epochs."""
    folder = RunFolder.of(root, run)
    folder.describe(run)
    folder.note(state="complete", **({"commit": "3f2a91c", "torch": "2.11.0", "world_size": 1} | manifest))
    folder.append_epoch({"epoch": 0, "train_loss": loss, "error_top1": 60.0})
    folder.append_epoch({"epoch": 1, "train_loss": 1.0, "error_top1": error})
    scored = 80_000  # every error of a test, and a quarter of it, is a whole number of images
    result = Result(
        error_top1=error,
        error_top5=error / 4,
        correct_top1=round(scored * (1 - error / 100)),
        correct_top5=round(scored * (1 - error / 400)),
        scored=scored,
        loss=0.75,
        epochs=2,
        params=81_000,
        macs=12_700_000,
        seconds=10.0,
    )
    sign(folder, result)
    folder.finish(result)
    return folder


def sign(folder: RunFolder, result: Result | None = None) -> None:
    """Note the hashes of a complete run, or of one that `result` is about to complete; its checkpoint is elsewhere."""
    written = result or folder.result()
    assert written is not None
    folder.note(sha256={CHECKPOINT: hash_text("")} | hashes(folder, written))


def interrupt(root: Path, run: Run, state: str) -> None:
    """Write a run that began and did not finish; without a lock holder, `running` reads as lost."""
    folder = RunFolder.of(root, run)
    folder.describe(run)
    folder.note(state=state)
    folder.append_epoch({"epoch": 0, "train_loss": 2.5 + run.seed / 8, "error_top1": 70.0})


def write(root: Path, study: Study, errors: dict[str, list[float | None]]) -> None:
    """Write a complete run wherever there is an error; its first-epoch loss tells its row and seed."""
    for row, run in study.runs():
        error = errors[row][run.seed]
        if error is not None:
            same = row in ("none", "BAM r=1")
            finish(root, run, error, loss=2.0 + run.seed / 8 + (0 if same else 0.01 * len(row)))


def golden_table(root: Path) -> Table:
    """Return a table with better, unresolved, failed, interrupted, missing and unchanged rows, and mixed commits."""
    write(root, STUDY, ERRORS)
    cells = {(cell.row, cell.run.seed): cell.run for cell in STUDY.runs()}
    interrupt(root, cells["BAM max", 2], "failed")
    interrupt(root, cells["SE_r8 <light>", 1], "running")
    RunFolder.of(root, cells["BAM product", 3]).note(commit="91bc002")
    return tabulate(gather(STUDY, root), STUDY, planned=COSTS)
