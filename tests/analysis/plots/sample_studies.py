"""Two made-up studies with whole run folders: four rows at three seeds, and twenty rows in three panels."""

from __future__ import annotations

import math
from pathlib import Path

from analysis.table.build import Table, tabulate
from lightning_bam.config import BAMSpec, CBAMSpec, ResNet50, Run, SESpec, SmallResNet, WideResNet
from lightning_bam.run_folder.folder import Result, RunFolder
from studies.definition.study import Study
from studies.records.records import Record, gather

SMALL = Study(
    name="small",
    question="Which way of combining the branches is best?",
    rows={
        "none": Run(),
        "BAM sum": Run(attention=BAMSpec()),
        "BAM product": Run(attention=BAMSpec(combine="product")),
        "BAM max": Run(attention=BAMSpec(combine="max")),
    },
    baseline="none",
    scientific=("attention", "attention.combine"),
    seeds=3,
    published={"none": 21.49, "BAM sum": 20.0, "BAM max": 24.1},
)
ERRORS = {
    "none": [22.0, 21.0, 23.0],
    "BAM sum": [20.0, 19.1, 20.9],  # differences -2, -1.9, -2.1
    "BAM product": [21.5, 21.3, 22.1],  # -0.5, 0.3, -0.9
    "BAM max": [22.5, 21.2, 24.1],  # 0.5, 0.2, 1.1
}
EPOCHS = 4

NETWORKS = {"ResNet50": ResNet50(), "WRN28-8 (widened eight times)": WideResNet(), "SmallResNet": SmallResNet()}
VARIANTS = {
    "": None,
    " + BAM after every stage but last": BAMSpec(),
    " + BAM, product of the branches": BAMSpec(combine="product"),
    " + SE": SESpec(),
    " + CBAM with reduction 8": CBAMSpec(reduction=8),
    " + BAM r=4": BAMSpec(reduction=4),
    " + BAM d=1": BAMSpec(dilation=1),
}
ROWS = {
    f"{network}{suffix}": Run(backbone=backbone, attention=attention)
    for network, backbone in NETWORKS.items()
    for suffix, attention in VARIANTS.items()
}
ROWS.pop("SmallResNet + BAM d=1")
BIG = Study(
    name="big",
    question="Does attention help every network, and does it matter which?",
    rows=ROWS,
    baseline=tuple(NETWORKS),
    within=("backbone",),
    scientific=("attention", "attention.combine", "attention.reduction", "attention.dilation"),
    seeds=5,
    published={row: 18.0 + 0.3 * place for place, row in enumerate(ROWS) if place % 2},
)


def complete(root: Path, run: Run, error: float, *, params: int, macs: int, epochs: int = EPOCHS) -> None:
    """Write a finished run whose error falls from 80 % to `error`, its loss from 4 to error / 20."""
    folder = RunFolder.of(root, run)
    folder.describe(run)
    folder.note(state="complete", commit="3f2a91c", torch="2.11.0", world_size=1)
    for epoch in range(epochs):
        left = (1 - (epoch + 1) / epochs) ** 3
        line = {
            "epoch": epoch,
            "train_loss": 4 * left + (1 - left) * error / 20 + run.seed * 1e-9,
            "error_top1": error + left * (80 - error),
        }
        folder.append_epoch(line)
    folder.finish(
        Result(
            error_top1=error,
            error_top5=error / 4,
            correct_top1=round(2000 * (1 - error / 100)),
            correct_top5=1900,
            scored=2000,
            loss=0.75,
            epochs=epochs,
            params=params,
            macs=macs,
            seconds=10.0,
        )
    )


def small(root: Path) -> tuple[Study, list[Record], Table]:
    """Write the small study; all of its runs are complete."""
    for row, run in SMALL.runs():
        place = list(SMALL.rows).index(row)
        cost = {"params": 78_000 + 1_000 * place, "macs": 12_000_000 + 250_000 * place}
        complete(root, run, ERRORS[row][run.seed], **cost)
    return read(root, SMALL)


def big(root: Path) -> tuple[Study, list[Record], Table]:
    """Write the big one: its last row has not run, the one before has one seed, another two that are far apart."""
    rows = list(BIG.rows)
    for row, run in BIG.runs():
        place = rows.index(row)
        left = {rows[-1]: 0, rows[-2]: 1, rows[4]: 2}.get(row, 5)
        if run.seed < left:
            noise = 0.6 * math.sin(7 * place + 3 * run.seed) + 0.5 * math.sin(5 * run.seed) + (run.seed * (left == 2))
            effect = {0: 0.0, 1: -1.6, 2: -0.4, 3: -0.6, 4: 0.2, 5: -1.1, 6: 1.9}[place % 7]
            error = 18 + 3 * (place // 7) + effect + noise
            scale = 10 ** (2 - place // 7)
            cost = {
                "params": (23_000 + 400 * (place % 7)) * scale,
                "macs": (130_000 + 1_500 * (place % 7)) * 10 * scale,
            }
            complete(root, run, error, **cost, epochs=30)
    return read(root, BIG)


def read(root: Path, study: Study) -> tuple[Study, list[Record], Table]:
    """Gather and tabulate."""
    records = gather(study, root)
    return study, records, tabulate(records, study)
