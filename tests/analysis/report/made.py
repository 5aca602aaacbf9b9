"""Studies with made-up figures, and the pages that are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

from analysis.report.page import Made, page
from analysis.table.build import Table, tabulate
from lightning_bam.config import BAMSpec, Digits, DigitScenes, FasterRCNN, Run, SmallResNet
from lightning_bam.run_folder.folder import Result, RunFolder
from studies.definition.study import Study
from studies.records.records import gather
from tests.analysis.synthetic import finish

MADE = Made(command="bam report mine.py", version="0.1.0", root="runs", when=datetime(2026, 11, 25, 12, 30, tzinfo=UTC))
ATTEMPT = {
    "attempt": 1,
    "started": "2026-11-20T10:31:00+00:00",
    "device": "NVIDIA H100 80GB HBM3",
    "threads": 1,
    "world_size": 2,
    "version": "0.1.0",
    "commit": "8a41fd485ade",
    "torch": "2.14.1",
    "python": "3.11.7",
    "host": "node<7>",
    "cpu": "AVX512",
}


def asked(rows: int, *, seeds: int = 3) -> Study:
    """Return a study of one panel: a baseline `none` and `rows` rows `r1`, `r2`, ..."""
    named = {"none": Run()} | {f"r{n}": Run(attention=BAMSpec(reduction=2 + n)) for n in range(1, rows + 1)}
    scientific = ("attention", "attention.reduction")[: min(rows, 2)]
    return Study(name="made", question="Does it help?", rows=named, baseline="none", scientific=scientific, seeds=seeds)


def panelled(rows: int = 6, *, seeds: int = 3) -> Study:
    """Return a study of three panels, each with a baseline and `rows` rows."""
    named = {}
    for width in (8, 16, 24):
        run = Run(dataset=Digits(), backbone=SmallResNet(width=width))
        named[f"width {width}"] = run
        for n in range(1, rows + 1):
            named[f"width {width} + BAM r={n}"] = replace(run, attention=BAMSpec(reduction=n))
    return Study(
        name="panels",
        question="Does BAM help at every width?",
        rows=named,
        baseline=("width 8", "width 16", "width 24"),
        within=("backbone",),
        scientific=("attention", "attention.reduction") if rows > 1 else ("attention",),
        seeds=seeds,
    )


def detecting() -> Study:
    """Return a study of detectors, in which higher is better."""
    run = Run(dataset=DigitScenes(), backbone=FasterRCNN())
    return Study(
        name="boxes",
        question="Does BAM help a detector?",
        rows={"none": run, "BAM": replace(run, attention=BAMSpec())},
        baseline="none",
        scientific=("attention",),
        seeds=3,
        metric="map_50_95",
    )


def fill(root: Path, study: Study, figures: Mapping[str, Sequence[float | None]], **manifest: Any) -> None:
    """Write a complete run wherever there is a figure: an error, or a detector's mAP."""
    for row, run in study.runs():
        figure = figures[row][run.seed]
        if figure is None:
            continue
        if study.metric == "error_top1":
            made = ATTEMPT | {"attempts": [ATTEMPT], "ended": "2026-11-20T11:31:00+00:00"} | manifest
            finish(root, run, figure, loss=2 + crc32(f"{row} {run.seed}".encode()) / 2**32, **made)
            continue
        folder = RunFolder.of(root, run)
        folder.describe(run)
        folder.note(state="complete")
        folder.append_epoch(
            {"epoch": 0, "train_loss": 2 + crc32(f"{row} {run.seed}".encode()) / 2**32, "map_50_95": figure}
        )
        folder.finish(
            Result(map_50_95=figure, map_50=70.0, map_75=50.0, scored=100, epochs=1, params=9, macs=9, seconds=9.0)
        )


def table(root: Path, study: Study, figures: Mapping[str, Sequence[float | None]]) -> Table:
    """Return the table of these figures."""
    fill(root, study, figures)
    return tabulate(gather(study, root), study)


def written(path: Path, root: Path, *studies: Study) -> str:
    """Write the page of what lies under `root`, and return its address."""
    found = [(study, gather(study, root)) for study in studies]
    path.write_text(page(found, [tabulate(records, study) for study, records in found], MADE))
    return path.as_uri()
