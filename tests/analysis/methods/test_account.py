"""What is told of a method is what the records hold, and what the table does."""

from __future__ import annotations

import html
import json
import math
import re
from dataclasses import replace

import pytest
from scipy import stats

from analysis.cli import main
from analysis.formats.legend import FAILED, full_legend, legend
from analysis.methods.account import NONE_FAILED, account
from analysis.methods.statistics import statistics
from analysis.methods.written import as_data, as_html, as_latex, as_markdown
from analysis.table.build import tabulate
from studies.definition.stopping import Stopping
from studies.records.records import gather
from tests.analysis.cost.test_rows import CPU, cost
from tests.analysis.report.made import asked, fill, panelled
from tests.analysis.synthetic import finish, interrupt

BASE = [20.0, 21.5, 20.75, 22.0]
CLOSE = {
    "none": BASE,
    "r1": [e + d for e, d in zip(BASE, (-2.0, -2.1, -1.9, -2.05), strict=True)],
    "r2": [e + d for e, d in zip(BASE, (0.5, 1.5, 0.4, 1.15), strict=True)],
}
"""r2's p is between 0.025 and 0.05: different by Holm, whose second p is not adjusted, and not by Bonferroni."""


def made(root, study, figures=CLOSE, declared=None, **manifest):
    fill(root, study, figures, **manifest)
    records = gather(study, root)
    table = tabulate(records, study)
    return table, account(study, records, table, declared)


def answers(told):
    return {one["question"]: one["answer"] for one in as_data(told)["checklist"]}


def test_the_words_are_of_the_intervals_and_verdicts_that_the_table_has(tmp_path):
    """What the words say is computed anew, so that another method of the table needs other words."""
    table, told = made(tmp_path, asked(2, seeds=4))
    said = answers(told)["How were the error bars made?"]
    assert "a t interval of level 1 − 0.05/2 (Bonferroni over 2 comparisons)" in said
    assert "where its interval leaves out 0, that is, where the p of the paired t-test times 2 is below 0.05" in said
    for row in table.rows[1:]:
        mean, half = row.delta.mean, stats.t.isf(0.05 / 2 / 2, row.delta.n - 1) * row.delta.sd / math.sqrt(row.delta.n)
        assert (row.delta.low, row.delta.high) == (pytest.approx(mean - half), pytest.approx(mean + half))
    p = stats.ttest_1samp([0.5, 1.5, 0.4, 1.15], 0).pvalue
    assert 0.025 < p < 0.05
    assert {row.label: row.verdict.kind in ("better", "worse") for row in table.rows[1:]} == {"r1": True, "r2": False}


def test_one_comparison_is_told_without_others(tmp_path):
    table, told = made(tmp_path, asked(1, seeds=4))
    said = answers(told)["How were the error bars made?"]
    assert "has a 95 % t interval" in said
    assert "Bonferroni" not in said
    half = stats.t.isf(0.025, 3) * table.rows[1].delta.sd / 2
    assert table.rows[1].delta.high == pytest.approx(table.rows[1].delta.mean + half)


def test_the_words_are_of_the_looks_of_a_rule(tmp_path):
    study = replace(asked(2, seeds=4), margin=0.3).stopping_by(Stopping(looks=(4, 8)))
    figures = {row: [*errors, *[None] * 4] for row, errors in CLOSE.items()}
    table, told = made(tmp_path, study, figures, declared="2026-11-19T10:00:00+00:00")
    said = answers(told)["How were the error bars made?"]
    assert "declared on 2026-11-19 before the first result: looks at 4, 8 seeds" in said
    assert "rows have reached look 1." in said
    assert "over 2 comparisons (Bonferroni) and all looks with a probability of at least 95 %" in said
    assert "equivalent where two one-sided t-tests, adjusted likewise, place its difference within ±0.3" in said
    r2 = table.rows[2]
    half = stats.t.isf(r2.interim.limit / 2, 3) * r2.delta.sd / 2
    assert r2.delta.low == pytest.approx(r2.delta.mean - half)
    assert not told.complete


def test_an_interval_of_a_new_kind_without_words_is_an_error(tmp_path, monkeypatch):
    table, _ = made(tmp_path, asked(2, seeds=4))
    monkeypatch.setattr(type(table.rows[0]), "interval", "of a new kind")
    with pytest.raises(KeyError, match="new kind"):
        statistics(table, None)


def test_the_records_figures_stand_in_the_text(tmp_path):
    weights = {"cost": cost(1.0, memory=3 * 2**30), "code": "0123456789abcdef", "weights": "resnet.pth 1234"}
    _, told = made(tmp_path, asked(2, seeds=4), **weights)
    text = as_markdown(told)
    for part in (
        "We compare 2 rows ('r1', 'r2') with the baseline 'none'. Each row was trained 4 times, with seeds 0 to 3.",
        "(but for the backbone's, which are resnet.pth 1234)",
        "NVIDIA H100 80GB HBM3",
        "commit 8a41fd485ade",
        "never below 0.12 at 4 pairs",
        "(arXiv 2512.24145)",
        "(arXiv 2511.19794)",
        "own code kept under code/ as 0123456789abcdef",
        "Processor: EPYC.",
        "at most 3.00 GiB of tensors on a GPU",
        # 12 runs of 10 s on 2 ranks in an attempt of an hour each
        "The study took 24.0 device-hours: 0.0667 in epochs of complete runs, 23.9 in their start-up",
        "A complete run took 0.00556 device-hours on average",
        "Not in the records, to be added: the address of the code",
    ):
        assert part in text, part
    assert "BCa" not in text, "four pairs have none"
    assert "not complete" not in text
    assert answers(told)["Which runs failed or were left out?"] == NONE_FAILED
    assert told.complete


def test_from_eight_pairs_on_there_is_a_bootstrap(tmp_path):
    figures = {row: [*errors, *(error + 0.1 for error in errors)] for row, errors in CLOSE.items()}
    _, told = made(tmp_path, asked(2, seeds=8), figures)
    assert "a BCa bootstrap interval (arXiv 2511.19794), from 8 pairs on" in as_markdown(told)


def test_what_is_missing_is_told(tmp_path):
    figures = CLOSE | {"none": [20.0, 21.5, None, 22.0]}
    table, told = made(tmp_path, asked(2, seeds=4), figures)
    assert told.sentences[0] == "The study is not complete, and what follows holds for its complete runs."
    text = as_markdown(told)
    assert "their seeds: 'none' 3 (0, 1, 3), 'r1' 4 (0 to 3), 'r2' 4 (0 to 3)." in text
    assert "11 of 12 runs are complete (1 missing)." in text
    said = answers(told)["Which runs failed or were left out?"]
    assert all(note in said for row in table.rows for note in row.notes)
    assert "leaves out seed 2" in said


def test_where_runs_failed_the_words_say_what_more_a_claim_takes(tmp_path):
    """r1's interval leaves out 0, and yet it is not called better: -2.1, -1.9 and -2.05, and one failed."""
    study = asked(2, seeds=4)
    run = next(cell.run for cell in study.runs() if cell.row == "r1" and cell.run.seed == 0)
    interrupt(tmp_path, run, "failed")
    table, told = made(tmp_path, study, CLOSE | {"r1": [None, *CLOSE["r1"][1:]]})
    assert table.rows[1].delta.high < 0
    assert table.rows[1].verdict.kind == "no clear difference"
    assert answers(told)["How were the error bars made?"].endswith(FAILED)
    no_failure, whole = made(tmp_path / "whole", study)
    assert FAILED not in answers(whole)["How were the error bars made?"]
    assert (FAILED in full_legend(table), FAILED in full_legend(no_failure)) == (True, False)


def test_one_seed_has_no_interval(tmp_path):
    _, told = made(tmp_path, asked(1, seeds=1))
    said = answers(told)["How were the error bars made?"]
    assert said.endswith("there is no interval.")
    assert "Which assumptions do they make?" not in answers(told)


def test_a_baseline_alone_has_no_difference_to_explain(tmp_path):
    table, told = made(tmp_path, asked(0, seeds=4), {"none": BASE})
    assert told.sentences[0] == "We train 'none', with nothing to compare it with."
    assert "interval." not in answers(told)["How were the error bars made?"]
    for lines in (legend(table), full_legend(table)):
        assert [line.partition(":")[0] for line in lines] == ["Error", "Fixed"]


def test_panels_name_what_they_share(tmp_path):
    study = panelled(1, seeds=2)
    _, told = made(tmp_path, study, {row: [20 + place, 21 + place] for place, row in enumerate(study.rows)})
    assert "with the baseline of the same backbone ('width 8', 'width 16', 'width 24')." in as_markdown(told)


def test_a_search_is_told_where_its_runs_are_there(tmp_path):
    study = replace(asked(2, seeds=4), name="confirm-mine")
    trial = replace(study.rows["r1"], seed=1, score_on="held_out")
    finish(tmp_path, trial, 30.0, studies={"search+mine": {"row": "x"}})
    _, told = made(tmp_path, study)
    said = answers(told)["What was selected, and on which data?"]
    assert said.startswith("The configurations were found by a search of 1 runs, scored on a part of the train images")
    study, records = asked(2, seeds=4), gather(study, tmp_path)
    again = account(study, records, tabulate(records, study), None)
    assert "search" not in as_markdown(again)


def test_nothing_is_told_of_nothing(tmp_path):
    study = asked(2, seeds=4)
    told = account(study, gather(study, tmp_path), tabulate(gather(study, tmp_path), study), None)
    assert as_data(told) == {
        "study": "made",
        "complete": False,
        "paragraph": "No run of study made is complete (12 missing): there is no method to report yet.",
        "checklist": [],
        "to_add": [],
        "references": {},
    }
    assert as_latex(told) == as_data(told)["paragraph"] + "\n"


def test_latex_cites_and_has_its_references(tmp_path):
    _, told = made(tmp_path, asked(2, seeds=4))
    text = as_latex(told)
    assert r"paired by seed~\cite{sharma2025pairing}; each has" in text
    assert r"sign-flip test~\cite{du2025when}, which assumes symmetry alone" in text
    assert "% @misc{du2025when, author={Wenzhang Du}, title={When +1\\% Is Not Enough}" in text
    assert "{cite:" not in text
    assert r"\item[How were the error bars made?] Figures are top-1 error on the test set" in text


def test_the_page_has_the_same_words_and_no_markup_of_a_name(tmp_path):
    name = "<img src=http://a onerror=alert(1)>"
    study = asked(1, seeds=4)
    study = replace(study, rows={"none": study.rows["none"], name: study.rows["r1"]})
    _, told = made(tmp_path, study, {"none": BASE, name: CLOSE["r1"]})
    page, data = as_html(told), as_data(told)
    assert not re.search(r"<(img|script|link|iframe|form)|url\(|@import", page)
    shown = html.unescape(re.sub(r"<[^>]*>", "", page.partition("<body>")[2]))
    assert name in data["paragraph"]
    for text in (data["paragraph"], *(text for one in data["checklist"] for text in one.values()), *data["to_add"]):
        assert text in shown
    assert "{cite:" not in shown
    nothing = account(study, gather(study, tmp_path / "none"), tabulate(gather(study, tmp_path / "none"), study), None)
    assert "<dl>" not in as_html(nothing)


FILE = """
from lightning_bam import BAMSpec, Run
from studies import Study
STUDY = Study(
    name="made",
    question="Does it help?",
    rows={"none": Run(), "r1": Run(attention=BAMSpec(reduction=3)), "r2": Run(attention=BAMSpec(reduction=4))},
    baseline="none",
    scientific=("attention", "attention.reduction"),
    seeds=4,
)
"""


def test_the_verb_writes_each_form(tmp_path, capsys):
    (tmp_path / "made.py").write_text(FILE)
    root = tmp_path / "runs"
    words = ["methods", str(tmp_path / "made.py"), "--root", str(root)]
    assert main(words) == 2, "a named folder that is not there"
    assert "no such folder" in capsys.readouterr().err
    fill(root, asked(2, seeds=4), CLOSE, **CPU)
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("## Method\n\nWe compare 2 rows")
    assert main([*words, "-o", str(tmp_path / "m.tex")]) == 0, "as the file ends"
    assert r"\cite{du2025when}" in (tmp_path / "m.tex").read_text()
    assert main([*words, "--json", "--only", "row=r1"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["paragraph"].startswith("We compare 1 row ('r1') with the baseline 'none'.")
    assert "2 comparisons" in data["checklist"][3]["answer"], "adjusted for all, whatever is shown"
    assert main([*words, "-o", str(tmp_path / "m.pdf")]) == 2
    assert capsys.readouterr().err.endswith("m.pdf: nothing is written as .pdf; end it in .md, .tex, or say --format\n")
    assert not (tmp_path / "m.pdf").exists()
