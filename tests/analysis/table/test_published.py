"""A table of the paper beside ours, untrained and trained, against golden files."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from analysis.formats.blocks import blocks
from analysis.formats.render import FORMATS, render
from analysis.statistics.paired import paired, predicted_difference
from analysis.table.build import tabulate
from analysis.table.published import (
    MILLION,
    compared,
    compatible,
    compatible_difference,
    published_difference,
    rounded,
)
from lightning_bam.config import BAMSpec, ResNet18, Run, SESpec, SmallResNet
from studies.definition.study import Study
from studies.library import find_study
from studies.paper.published import Published
from studies.records.records import gather
from tests.analysis.synthetic import finish

GOLDEN = Path(__file__).parent / "golden"

COUNTED = {  # paper-3a, as `bam table paper-3a` counts them
    "ResNet50": (23_705_252, 1_222_516_736),
    "ResNet50 + BAM": (24_070_487, 1_249_456_128),
    "ResNet101": (42_697_380, 2_434_670_592),
    "ResNet101 + BAM": (43_062_615, 2_461_609_984),
    "PreResNet110": (1_726_388, 244_524_032),
    "PreResNet110 + BAM": (1_732_786, 245_654_528),
    "WRN28-8": (23_401_012, 3_360_131_072),
    "WRN28-8 + BAM": (23_424_366, 3_364_610_048),
    "DenseNet-BC-100-12 + BAM": (846_102, 297_400_000),
}

SMALL, WIDE = Run(backbone=SmallResNet()), Run(backbone=ResNet18(width=8))
STUDY = Study(
    name="panels",
    question="Does attention help in both networks?",
    rows={
        "small": SMALL,
        "small + BAM": Run(backbone=SMALL.backbone, attention=BAMSpec(reduction=4)),
        "wide": WIDE,
        "wide + BAM": Run(backbone=WIDE.backbone, attention=BAMSpec(reduction=4)),
        "wide + SE": Run(backbone=WIDE.backbone, attention=SESpec(reduction=4)),
    },
    baseline=("small", "wide"),
    within=("backbone",),
    scientific=("attention",),
    seeds=4,
    published={
        "small": Published(values={"error_top1": "22.40", "error_top5": "5.60"}, params="0.08", macs="0.01"),
        "small + BAM": Published(
            values={"error_top1": "20.00", "error_top5": "5.00"}, params="0.09", macs="0.01", note="from the text"
        ),
        "wide": Published(values={"error_top1": "30.10", "error_top5": "2.00"}, params="0.081"),
        "wide + BAM": Published(values={"error_top1": "29.50"}, params="0.08", counted_note="counted with norms"),
    },
)
ERRORS = {
    "small": [22.5, 22.25, 22.5, 22.375],
    "small + BAM": [21.5, 21.375, 21.5, 21.25],
    "wide": [30.0, 30.25, 30.0, 30.25],
    "wide + BAM": [29.0, 29.125, 29.0, 29.375],
    "wide + SE": [30.125, 30.0, None, None],
}


@pytest.fixture
def untrained(tmp_path):
    study = find_study("paper-3a")
    return tabulate(gather(study, tmp_path), study, COUNTED)


@pytest.fixture
def trained(tmp_path):
    for row, run in STUDY.runs():
        error = ERRORS[row][run.seed]
        if error is not None:
            finish(tmp_path, run, error, loss=len(row) + run.seed / 8)
    return tabulate(gather(STUDY, tmp_path), STUDY)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["untrained", "trained"])
def test_golden(name, form, request):
    golden = GOLDEN / f"paper-{name}.{'txt' if form == 'text' else form}"
    found = render(request.getfixturevalue(name), form)
    if os.environ.get("BAM_UPDATE_GOLDEN"):
        golden.write_text(found)
    assert found == golden.read_text()


def test_each_row_is_compared_within_its_panel(trained):
    rows = {row.label: row for row in trained.rows}
    assert rows["small + BAM"].delta.mean == pytest.approx(-1.0)  # -1, -.875, -1, -1.125
    assert rows["wide + BAM"].delta.mean == pytest.approx(-1.0)  # -1, -1.125, -1, -.875
    assert rows["wide + SE"].delta.mean == pytest.approx(-0.0625)  # .125, -.25
    assert trained.comparisons == 3
    assert rows["small + BAM"].p_holm == pytest.approx(3 * rows["small + BAM"].delta.p)
    assert [str(rows[label].verdict) for label in ("small", "wide", "wide + BAM")] == ["baseline", "baseline", "better"]
    assert [row.label for row in trained.rows if row.best] == ["small + BAM", "wide + BAM"]


def test_printed_beside_ours(trained):
    # small: 22.40625 ± 3.1824 · 0.119678 · 1.1180 = ± 0.426 holds 22.40; small + BAM: 21.40625 ± 0.426 not 20.00
    rows = {row.label: row for row in trained.rows}
    assert [row.compatible for row in trained.rows] == ["compatible", "not compatible", "compatible", "compatible", ""]
    # Δ of small + BAM -1.00; variances 0.014323 each, of the differences 0.010417: V = 0.03125, at most 4.3 sqrt V
    assert [row.published_delta for row in trained.rows] == [None, -2.4, None, -0.6, None]
    assert [row.compatible_delta for row in trained.rows] == ["", "not compatible", "", "compatible", ""]
    assert trained.refused == (4, 9)
    (other,) = rows["small"].others
    assert (other.metric, other.published, other.n, other.compatible) == ("error_top5", 5.6, 4, "compatible")
    assert other.mean == pytest.approx(22.40625 / 4)
    assert rows["small"].printed_params.equal, "81,000 rounds to 0.08"
    assert rows["small + BAM"].printed_params.equal is False
    assert (rows["small + BAM"].note, rows["wide + BAM"].note) == ("from the text", "counted with norms")
    assert rows["wide"].printed_macs is None


def test_a_table_that_is_not_run_says_so_and_compares_nothing(untrained):
    assert {str(row.verdict) for row in untrained.rows} == {"baseline", "not run"}
    assert {row.compatible for row in untrained.rows} == {"not run"}
    assert {row.compatible_delta for row in untrained.rows} == {"", "not run"}
    sizes, errors = blocks(untrained)
    assert [column.heading for column in errors.columns] == ["row", "error (%)", "published"]
    equal = dict(
        zip(sizes.columns[0].cells, zip(sizes.columns[3].cells, sizes.columns[6].cells, strict=True), strict=True)
    )
    assert equal["ResNet50"] == ("yes", "yes")
    assert equal["ResNet101"] == ("yes", "no")
    assert equal["WRN28-8 + BAM"] == ("yes", "no")
    assert equal["DenseNet-BC-100-12 + BAM"] == ("no", "yes")
    assert equal["WRN28-10"] == ("", ""), "not counted here"


def test_the_text_fits_the_page(untrained, trained):
    for table in (untrained, trained):
        assert max(map(len, render(table, "text").splitlines())) <= 100


def test_a_metric_that_is_better_when_higher(tmp_path):
    study = Study(
        name="higher",
        question="Does it help?",
        rows={row: STUDY.rows[row] for row in ("small", "small + BAM")},
        baseline="small",
        scientific=("attention",),
        seeds=4,
        metric="error_top5",
    )
    for row, run in study.runs():
        finish(tmp_path, run, ERRORS[row][run.seed], loss=len(row) + run.seed / 8)
    table = tabulate(gather(study, tmp_path), study)
    assert table.rows[1].mean == pytest.approx(21.40625 / 4)
    assert str(table.rows[1].verdict) == "better"
    assert "top-5 error (%)" in render(table, "text", width=200)
    assert json.loads(render(table, "json"))["metric"] == "error_top5"


@pytest.mark.parametrize(
    ("count", "printed", "equal"),
    [
        (23_705_000, "23.71", True),  # half is rounded up, also where 23.705 is a float just below it
        (23_704_999, "23.71", False),
        (23_714_999, "23.71", True),
        (1_725_500, "1.726", True),
        (799_660, "0.8", True),
        (800_000, "0.80", True),
    ],
)
def test_printed_digits(count, printed, equal):
    assert compared(count, printed, MILLION).equal is equal
    assert compared(None, printed, MILLION).equal is None
    assert compared(count, "", MILLION) is None


def test_rounding_is_exact():
    assert rounded(2_675_000, 2, MILLION) == "2.68"
    assert rounded(5, 6, MILLION) == "0.000005"
    assert not math.isclose(float(rounded(123_456_789, 6, MILLION)), 123.4568)


def test_a_figure_beside_one_more_run():
    # 20.9, 21, 21.1: mean 21, sd 0.1, half-width 4.3027 x 0.1 x sqrt(4/3) = 0.4968
    assert compatible([20.9, 21.0, 21.1], 21.49) == "compatible"
    assert compatible([20.9, 21.0, 21.1], 21.50) == "not compatible"
    # 1, 2, 3 predict -2.97 to 6.97: too wide to claim anything but a contradiction
    assert compatible([1.0, 2.0, 3.0], 2.0) == "cannot tell"
    assert compatible([1.0, 2.0, 3.0], 6.98) == "not compatible"
    assert compatible([20.0, 20.01], 20.005) == "too few seeds", "however near"
    assert compatible([], 1.5) == "not run"
    assert compatible([20.0, 20.0, 20.0], 20.5) == "too few seeds", "three equal runs tell no spread"
    assert compatible([1.0, 2.0, 3.0], None) == ""


def test_a_published_difference_beside_ours():
    baseline = [22.0, 21.8, 22.2, 22.1, 21.9]

    def said(ours, published):
        return compatible_difference(ours, baseline, paired(ours, baseline), published)

    better = [20.9, 20.9, 21.3, 21.0, 20.9]  # -1.1, -0.9, -0.9, -1.1, -1.0: an interval of -1.00 ± 0.12
    low, high = predicted_difference(better, baseline)
    assert (low, high) == pytest.approx((-1.62, -0.38), abs=0.02)
    assert said(better, -0.93) == "compatible"
    assert (said(better, low - 0.01), said(better, high + 0.01)) == ("not compatible", "not compatible")
    same = [22.1, 21.9, 22.0, 21.9, 22.1]  # 0.1, 0.1, -0.2, -0.2, 0.2
    assert compatible(same, 21.72) == compatible(baseline, 22.42) == "compatible"
    assert said(same, -0.70) == "not compatible", "the paper's levels are one thing, its claim another"
    assert said(same, -0.3) == "cannot tell", "two single runs could give it, and no difference, too"
    assert said(better, 0.0) == "not compatible"
    assert compatible_difference([21.0, 20.9], [22.0, 21.8], paired([21.0, 20.9], [22.0, 21.8]), -1.0) == (
        "too few seeds"
    )
    assert compatible_difference([], [], None, -0.93) == "not run"
    assert said(better, None) == ""


def test_the_difference_of_what_is_printed_is_exact():
    paper, plain = Published(values={"error_top1": "20.10"}), Published(values={"error_top1": "21.03"})
    assert published_difference(paper, plain, "error_top1") == -0.93
    assert published_difference(paper, Published(), "error_top1") is None
