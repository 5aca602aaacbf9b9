"""`bam table --runs`: a line a run, read back with pandas and held against the run folders."""

from __future__ import annotations

import io
import json
import math

import pandas as pd
import pytest

from analysis.cli import main
from analysis.table.build import tabulate
from lightning_bam.config import flatten
from lightning_bam.run_folder.folder import RunFolder
from studies.library import find_study
from studies.records.records import gather
from tests.analysis.synthetic import finish, interrupt

TEXT = """from dataclasses import replace

from lightning_bam import BAMSpec, Run, SESpec, SmallResNet
from studies import Study

base = Run(backbone=SmallResNet(width=8))
STUDY = Study(
    name="made",
    question="Does it help, & how?",
    rows={
        "none": base,
        'BAM "sum", r=4': replace(base, attention=BAMSpec(reduction=4)),
        "BAM max, r=8": replace(base, attention=BAMSpec(reduction=8, combine="max", residual=False)),
        "SE": replace(base, attention=SESpec(reduction=4)),
    },
    baseline="none",
    scientific=("attention", "attention.reduction", "attention.combine", "attention.residual"),
    seeds=(0, 3, 4),
)
"""
KNOBS = ["attention", "attention.reduction", "attention.combine", "attention.residual"]
FIGURES = ["error_top1", "error_top5", "correct_top1", "correct_top5", "loss", "scored", "params", "macs"]
COST = ["images_per_second", "latency_ms", "memory_mib"]


@pytest.fixture
def made(tmp_path):
    """Return the study's file and its runs folder, with runs of every kind but a running one."""
    file, root = tmp_path / "made.py", tmp_path / "runs"
    file.write_text(TEXT)
    for place, (row, run) in enumerate(find_study(str(file)).runs()):
        if (row, run.seed) == ("SE", 3):
            interrupt(root, run, "failed")
        elif (row, run.seed) == ("SE", 4):
            interrupt(root, run, "running")
        elif (row, run.seed) != ("none", 4):
            finish(root, run, 20 + place / 7, loss=2 + place / 8)
    return file, root


def printed(capsys, *words):
    assert main(["table", *map(str, words)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_every_run_is_a_line_that_says_what_its_folder_says(made, capsys):
    file, root = made
    frame = pd.read_csv(io.StringIO(printed(capsys, file, "--runs", "--root", root)))
    head = ["study", "row", "is_baseline", "seed", "key", "state"]
    assert list(frame) == [*head, *KNOBS, *FIGURES, "epochs", "seconds", *COST, "commit", "failed_before"]
    study = find_study(str(file))
    assert [(line.row, line.seed, line.key) for line in frame.itertuples()] == [
        (row, run.seed, run.key) for row, run in study.runs()
    ], "names with commas and quotes, too"
    states = dict(zip(frame.key, frame.state, strict=True))
    for (_, run), (_, line) in zip(study.runs(), frame.iterrows(), strict=True):
        folder, flat = RunFolder.of(root, run), flatten(run)
        result = folder.result()
        for name in KNOBS:
            assert line[name] == flat[name] if name in flat else pd.isna(line[name])
        for name in (*FIGURES, "seconds"):
            assert line[name] == getattr(result, name) if result else math.isnan(line[name])
        assert line.epochs == len(folder.metrics())
        assert line.is_baseline == (run.attention is None)
        assert pd.isna(line.commit) if states[run.key] != "complete" else line.commit == folder.manifest().commit
    assert frame.state.value_counts().to_dict() == {"complete": 9, "failed": 1, "interrupted": 1, "missing": 1}
    kinds = {name: str(frame[name].dtype) for name in ("is_baseline", "seed", "error_top1", "attention.reduction")}
    assert kinds == {"is_baseline": "bool", "seed": "int64", "error_top1": "float64", "attention.reduction": "float64"}


def test_means_by_row_are_the_tables(made, capsys):
    file, root = made
    frame = pd.read_csv(io.StringIO(printed(capsys, file, "--runs", "--root", root, "--only", "attention=bam")))
    means = frame.groupby("row").error_top1.mean()
    study = find_study(str(file))
    rows = {row.label: row.mean for row in tabulate(gather(study, root), study).rows if row.label != "SE"}
    assert means.to_dict() == pytest.approx(rows)


def test_json_has_the_same_lines(made, tmp_path, capsys):
    file, root = made
    assert printed(capsys, file, "--runs", "--format", "json", "--root", root, "--output", tmp_path / "r.json") == ""
    lines = json.loads((tmp_path / "r.json").read_text())
    frame = pd.read_csv(io.StringIO(printed(capsys, file, "--runs", "--format", "csv", "--root", root)))
    plain = frame.astype(object).where(frame.notna(), None)
    assert [list(line.items()) for line in lines] == [list(line.items()) for line in plain.to_dict("records")]
    missing = next(line for line in lines if line["state"] == "missing")
    assert (missing["row"], missing["seed"], missing["error_top1"], missing["epochs"]) == ("none", 4, None, 0)
    assert type(lines[1]["attention.reduction"]) is int


def test_several_studies_and_panels_have_the_same_columns(made, capsys):
    file, root = made
    frame = pd.read_csv(io.StringIO(printed(capsys, file, "paper-3a", "--runs", "--root", root)))
    studies = [find_study(str(file)), find_study("paper-3a")]
    assert frame.study.unique().tolist() == ["made", "paper-3a"]
    assert len(frame) == sum(len(study.runs()) for study in studies)
    assert set(frame.dataset) == {run.dataset.kind for study in studies for run in study.rows.values()}
    panels = {row: panel.baseline for study in studies for panel in study.panels for row in panel.rows}
    assert frame.panel.tolist() == [panels[row] for row in frame.row]
    assert (frame.panel == frame.row).tolist() == frame.is_baseline.tolist()


def test_runs_are_lines_for_programs_alone(made, capsys):
    file, root = made
    assert main(["table", str(file), "--runs", "--format", "tex", "--root", str(root)]) == 2
    assert capsys.readouterr().err == "bam: --format tex: --runs are lines for programs; give csv or json\n"


def test_strict_says_so_of_runs_too(made, capsys):
    file, root = made
    assert main(["table", str(file), "--runs", "--strict", "--root", str(root)]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 13
