"""`bam factors` and the report's part on factors, on made-up runs of an additive 2 x 3 study."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
from scipy import stats

from analysis.cli import main
from analysis.factorial.factors import answer
from analysis.statistics.contrasts import Contrast
from analysis.statistics.paired import paired
from lightning_bam.run_folder.folder import RunFolder
from studies.library import find_study
from studies.stopping_rules.declaration import declare
from tests.analysis.synthetic import finish

STUDY = """
from itertools import product
from lightning_bam import BAMSpec, Run
from studies import Study

ROWS = {
    f"{norm} {combine}": Run(attention=BAMSpec(norm=norm, combine=combine))
    for norm, combine in product(("ends", "hidden"), ("sum", "product", "max"))
}
STUDY = Study(
    name="crossed", question="Norm or combination?", rows={"none": Run(), **ROWS}, baseline="none", seeds=3,
    scientific=("attention", "attention.norm", "attention.combine"),
)
"""
NORM = {"ends": 0.0, "hidden": 2.0}
COMBINE = {"sum": 0.0, "product": 0.5, "max": 1.0}
WOBBLE = (0.0, 0.1, -0.1)
"""What is left of a run beside its row and seed: a Latin square, so that it belongs to no factor and no seed alone."""


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crossed.py").write_text(STUDY)
    for place, (row, run) in enumerate(find_study("crossed.py").runs()):
        figure = 30.0 + run.seed
        if row != "none":
            norm, combine = row.split()
            column = list(COMBINE).index(combine)
            figure = 20 + NORM[norm] + COMBINE[combine] + run.seed + WOBBLE[(column + run.seed) % 3]
        finish(tmp_path / "runs", run, figure, loss=2 + place / 64)
    return tmp_path


def test_figures_by_hand(made, capsys):
    """Means of ends 20 + 0.5 + 1, of hidden two more; 9 runs a level, so norm's sum of squares is 18 (2 / 2)^2 = 18."""
    assert main(["factors", "crossed.py", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["factors"] == {
        "attention.norm": ["ends", "hidden"],
        "attention.combine": ["sum", "product", "max"],
    }
    means = {(line["factor"], line["level"]): (line["n"], line["mean"]) for line in told["levels"]}
    assert means["attention.norm", "ends"] == (9, pytest.approx(21.5))
    assert means["attention.norm", "hidden"] == (9, pytest.approx(23.5))
    assert means["attention.combine", "max"] == (6, pytest.approx(23.0))
    lines = {line["name"]: line for line in told["anova"]}
    assert list(lines) == [
        "attention.norm",
        "attention.combine",
        "attention.norm x attention.combine",
        "seeds",
        "residual",
    ]
    assert lines["attention.norm"]["sum_of_squares"] == pytest.approx(18.0)
    assert lines["attention.combine"]["sum_of_squares"] == pytest.approx(6 * (0.5**2 + 0 + 0.5**2))
    assert lines["attention.norm x attention.combine"]["sum_of_squares"] == pytest.approx(0, abs=1e-9)
    assert lines["seeds"]["sum_of_squares"] == pytest.approx(6 * 2)
    assert lines["residual"]["sum_of_squares"] == pytest.approx(12 * 0.1**2)
    assert lines["residual"]["df"] == 10
    assert lines["residual"]["f"] is None
    (pair,) = told["interactions"]
    cells = {tuple(cell["levels"]): (cell["mean"], cell["runs"]) for cell in pair["cells"]}
    assert cells["hidden", "max"] == (pytest.approx(24.0), 3)
    half = 2.228139 * (12 * 0.1**2 / 10 / 3) ** 0.5  # t(0.975, 10) times the standard error of three runs
    for cell in pair["cells"]:
        assert (cell["low"], cell["high"]) == (pytest.approx(cell["mean"] - half), pytest.approx(cell["mean"] + half))
    assert told["gaps"] == []
    assert told["left_out"] == {"none": ["attention.norm", "attention.combine"]}


def test_it_is_printed_and_gaps_are_named(made, capsys):
    gone = next(
        cell for cell in find_study("crossed.py").runs() if cell == ("ends max", cell.run) and cell.run.seed == 1
    )
    (made / "runs" / gone.run.key / "result.json").unlink()
    assert main(["factors", "crossed.py"]) == 0
    out = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert out[0] == "crossed: Norm or combination?"
    assert "source df sum of squares F p partial η²" in out
    assert (
        "· Analysis of variance: type II, seeds as blocks, with the interaction of the two factors; p is not adjusted."
    ) in " ".join(out)
    assert (
        "· Estimated marginal means: of the additive model (all factors, and the seeds), equal weights over the other "
        "factors' levels; intervals are for comparing levels over these seeds. Across gaps, the factors are taken not "
        "to interact."
    ) in " ".join(out)
    assert "· Left out: row 'none', without attention.norm, attention.combine." in " ".join(out)
    assert "· Importance: none, since it takes 20 runs or more and these are 17." in out
    assert any(line.startswith("attention.norm 1 ") and " <0.001 " in line for line in out)
    assert "factor level runs error (%) 95 % interval" in out
    assert "· Gap: attention.norm=ends, attention.combine=max: 2 of 3 seeds (lacks seed 1)." in out


BRANCHES = """
from itertools import product
from lightning_bam import BAMSpec, Run
from studies import Study

ROWS = {
    f"{branches} r={reduction} d={dilation}": Run(
        attention=BAMSpec(branches=branches, reduction=reduction, dilation=dilation)
    )
    for branches, reduction, dilation in product(("both", "spatial"), (8, 16), (2, 4))
} | {
    f"channel r={reduction}": Run(attention=BAMSpec(branches="channel", reduction=reduction)) for reduction in (8, 16)
}
STUDY = Study(
    name="branched", question="Which branches?", rows=ROWS, baseline="both r=16 d=4", seeds=2,
    scientific=("attention.branches", "attention.reduction", "attention.dilation"),
)
"""


def test_finished_rows_that_lack_a_knob_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "branched.py").write_text(BRANCHES)
    for place, (_, run) in enumerate(find_study("branched.py").runs()):
        finish(tmp_path / "runs", run, 20 + place * 7 % 11 / 8, loss=2 + place / 64)
    said = "Left out: rows 'channel r=8', 'channel r=16', without attention.dilation."
    assert main(["factors", "branched.py"]) == 0
    assert f"· {said}" in " ".join(capsys.readouterr().out.split())
    assert main(["factors", "branched.py", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    lacking = ["attention.dilation"]
    assert told["left_out"] == {"channel r=8": lacking, "channel r=16": lacking}
    assert told["gaps"] == []
    assert told["factors"]["attention.branches"] == ["both", "spatial"]
    assert main(["report", "branched.py", "-o", "page.html"]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "Importance: none, since it takes 20 runs or more and these are 16." in page
    assert page.count("Left out: rows ") == 3, "below the tables and in the captions of both plots"
    for _, run in find_study("branched.py").runs():
        if run.attention.branches == "channel":
            (tmp_path / "runs" / run.key / "result.json").unlink()
    assert main(["factors", "branched.py"]) == 0
    assert "Left out" not in capsys.readouterr().out, "nothing of theirs has finished"


def test_the_report_has_it(made, capsys):
    assert main(["report", "crossed.py", "-o", "page.html"]) == 0
    page = (made / "page.html").read_text().replace("<wbr>", "")
    assert "Analysis of variance" in page
    assert '<h3 id="study-1-factors"' in page
    assert "attention.norm x attention.combine" in page


def test_what_is_not_adjusted_for_the_looks_of_a_rule_says_so(made, capsys):
    adjusted = "nothing here is adjusted for its looks"
    assert main(["factors", "crossed.py"]) == 0
    assert adjusted not in capsys.readouterr().out
    ruled = STUDY.replace("seeds=3,", "seeds=3, stopping=Stopping(looks=(2, 3)),").replace(
        "from studies import Study", "from studies import Study\nfrom studies.definition.stopping import Stopping"
    )
    (made / "crossed.py").write_text(ruled)
    assert main(["factors", "crossed.py"]) == 2
    assert "21 of its runs had begun before a stopping rule was declared" in capsys.readouterr().err
    declare(find_study("crossed.py"), made / "runs", [])
    assert main(["factors", "crossed.py"]) == 0
    assert adjusted in capsys.readouterr().out.replace("\n", " ")
    assert main(["report", "crossed.py", "-o", "report.html"]) == 0
    assert adjusted in (made / "report.html").read_text()


def test_levels_of_a_factor_are_compared_by_hand(made, capsys):
    """Product less sum is 0.5 and 0.1, -0.2, 0.1 by seed; max less sum 1 and -0.1, -0.1, 0.2."""
    assert main(["factors", "crossed.py", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)["contrasts"]
    told = {(line["factor"], line["level"], line["other"]): line for line in lines}
    assert [*told] == [
        ("attention.norm", "hidden", "ends"),
        ("attention.combine", "product", "sum"),
        ("attention.combine", "max", "sum"),
        ("attention.combine", "max", "product"),
    ]
    same = told["attention.norm", "hidden", "ends"]
    assert (same["difference"]["mean"], same["difference"]["sd"], same["p_adjusted"]) == (pytest.approx(2), 0, None)
    assert same["verdict"] == "no clear difference"
    more = told["attention.combine", "max", "sum"]
    expected = stats.ttest_1samp([0.9, 0.9, 1.2], 0)
    interval = expected.confidence_interval(1 - 0.05 / 3)
    assert more["p_adjusted"] == pytest.approx(3 * expected.pvalue)
    assert (more["difference"]["low"], more["difference"]["high"]) == pytest.approx((interval.low, interval.high))
    assert (more["comparisons"], more["verdict"]) == (3, "worse")
    assert main(["factors", "crossed.py"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "max − sum +1.00 [+0.24, +1.76] 3 0.030 worse" in out
    assert "Contrasts: the first level less the second in percentage points, in rows that differ" in out
    chosen = ["--only", "attention.combine=sum", "--only", "attention.combine=max"]
    assert main(["factors", "crossed.py", "--json", *chosen]) == 0
    lines = json.loads(capsys.readouterr().out)["contrasts"]
    assert [line for line in lines if line["factor"] == "attention.combine"] == [more], "adjusted for product, too"


def test_levels_whose_rows_left_the_study_stay_in_the_family(made, capsys):
    """Of three pairs of levels one was left, not adjusted, with the rows of max out of the study's file."""
    for row, run in find_study("crossed.py").runs():
        RunFolder.of(made / "runs", run).note(studies={"crossed": {"row": row}})

    def contrast():
        assert main(["factors", "crossed.py", "--json"]) == 0
        lines = json.loads(capsys.readouterr().out)["contrasts"]
        return next(line for line in lines if (line["level"], line["other"]) == ("product", "sum"))

    before = contrast()
    (made / "crossed.py").write_text(STUDY.replace(', "max")', ")"))
    assert contrast() == before
    assert before["comparisons"] == 3


def test_ordered_levels_have_a_trend_by_hand(tmp_path, capsys):
    """Slopes 0.25, 0.125 and 0.25 a doubling: mean 5 / 24, t = 5."""
    study = find_study("reduction").with_seeds(3)
    for row, run in study.runs():
        figure = 30.0
        if row != "none":
            doublings = {4: 0, 8: 1, 16: 2, 32: 3}[run.attention.reduction]
            figure = 20 + run.seed + (0.125 if run.seed == 1 else 0.25) * doublings
        finish(tmp_path, run, figure, loss=2 + run.seed + figure / 64)
    call = ["factors", "reduction", "--seeds", "3", "--root", str(tmp_path)]
    assert main([*call, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (line,) = told["trends"]
    assert told["contrasts"] == [], "two rows alone are compared by the table"
    assert (line["factor"], line["per"], line["levels"]) == ("attention.reduction", "doubling", [4, 8, 16, 32])
    assert line["slope"]["mean"] == pytest.approx(5 / 24)
    assert line["slope"]["p"] == pytest.approx(1 - 5 / math.sqrt(27)), "2 degrees of freedom"
    assert line["verdict"] == "worse"
    assert main(call) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "+0.21 [+0.03, +0.39] 3 ×2 0.038 worse" in out
    assert "Analysis of variance" not in out
    assert main(["report", *call[1:], "-o", str(tmp_path / "page.html")]) == 0
    assert "percentage points per doubling of the level (×2)" in (tmp_path / "page.html").read_text()


def test_on_a_narrow_page_texts_are_folded_at_words(tmp_path, monkeypatch, capsys):
    """Five levels and `no clear difference` stood on 80 columns as `differen` over `ce`."""
    (tmp_path / "five.py").write_text(
        STUDY.replace("norm=norm", "reduction=norm")
        .replace('("ends", "hidden")', "(2, 4, 8, 16, 32)")
        .replace("attention.norm", "attention.reduction")
    )
    for place, (_, run) in enumerate(find_study(str(tmp_path / "five.py")).runs()):
        finish(tmp_path / "runs", run, 20 + place * 7 % 11 / 8, loss=2 + place / 64)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["factors", str(tmp_path / "five.py"), "--root", str(tmp_path / "runs")]) == 0
    found = capsys.readouterr().out
    trends = found.partition("larger")[2].partition("PED-ANOVA")[0]
    assert "no clear" in trends
    assert "difference" in trends.split()
    assert max(map(len, found.splitlines())) <= 80


def test_better_is_as_the_metric_has_it():
    less = paired([1.0, 2.0, 3.0], [3.0, 4.1, 4.9])
    found = Contrast(level="a", other="b", difference=less, p_adjusted=less.p, comparisons=1)
    for higher, said in ((False, "better"), (True, "worse")):
        study = SimpleNamespace(stopping=None, scale=SimpleNamespace(higher_is_better=higher))
        assert answer(found, study) == said
        assert answer(replace(found, p_adjusted=0.05), study) == "no clear difference"
        assert answer(replace(found, difference=None), study) == ""
        assert answer(replace(found, difference=paired([1.0], [2.0])), study) == "too few seeds"
    assert answer(found, SimpleNamespace(stopping="a rule")) == "", "its p knows nothing of the looks"


def test_a_study_with_nothing_to_take_apart_is_told_so(tmp_path, capsys):
    assert main(["factors", "reduction", "--root", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "bam: reduction: nothing to take apart: no finished runs, in one panel, of rows that cross two factors or have "
        "three numbers or more for one; bam table --against ROW compares any two rows\n"
    )
