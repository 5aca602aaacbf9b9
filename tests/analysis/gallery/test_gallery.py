"""The README, its pictures and the catalogue's docstrings say what the kept findings say."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from statistics import correlation, fmean, stdev

import pytest

from analysis.findings.kept import findings
from analysis.findings.summary import answer
from analysis.gallery.__main__ import PICTURES, docstrings, pictures
from analysis.gallery.docstrings import with_result
from analysis.gallery.pictures import winners
from analysis.table.build import Table

HOME = Path(__file__).parents[3]
README = (HOME / "README.md").read_text()
FINDINGS = (HOME / "studies" / "FINDINGS.md").read_text()
MADE = "python -m analysis.gallery"
INTERVAL = re.compile(r"[+−]\d\.\d\d \[[+−]\d\.\d\d, [+−]\d\.\d\d\]")


def texts(picture: bytes) -> list[str]:
    """Return what is written in a picture, from its first line to its last."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture.decode())


def test_the_pictures_are_those_of_the_findings():
    made = pictures()
    assert {path.name for path in PICTURES.iterdir()} == set(made)
    for name, picture in made.items():
        assert texts((PICTURES / name).read_bytes()) == texts(picture), f"{name}: {MADE}"
        assert f"studies/findings/pictures/{name}" in README


def test_every_docstring_of_a_study_that_was_run_has_its_result():
    written = docstrings()
    assert len(written) >= 9
    for path, text in written.items():
        assert path.read_text() == text, f"{path.name}: {MADE}"


def test_no_other_docstring_claims_a_result():
    for path in (HOME / "studies" / "catalogue").glob("[a-p]*.py"):
        if path not in docstrings() and (found := re.search(r"^result +(.*)$", path.read_text(), flags=re.M)):
            assert found[1].startswith("not run yet"), path.name


@pytest.mark.parametrize("page", [README, FINDINGS], ids=["README", "FINDINGS"])
def test_every_interval_that_is_quoted_is_one_of_the_findings(page):
    known = {interval for finding in findings().values() for interval in INTERVAL.findall(answer(finding.table()))}
    said = INTERVAL.findall(page)
    assert len(said) >= 5
    assert set(said) <= known


def errors(name):
    """Return (row, seed) -> the error in percent of each run that is kept of a finding."""
    lines = csv.DictReader((findings()[name].folder / "runs.csv").read_text().splitlines())
    return {(line["row"], line["seed"]): float(line["error_top1"]) for line in lines}


def test_what_is_said_of_the_repetition_follows_from_its_runs():
    first, again = errors("placement"), errors("placement-avx2")
    both = first.keys() & again.keys()
    differ = sum(first[run] != again[run] for run in both)
    deltas = [
        [by_run[row, seed] - by_run["none", seed] for row, seed in sorted(both) if row != "none"]
        for by_run in (first, again)
    ]
    moved = stdev(a - b for a, b in zip(*deltas, strict=True))
    assert f"{differ} of {len(both)} runs end with another error" in FINDINGS
    assert f"by {moved:.2f} points (sd, n = {len(deltas[0])})" in FINDINGS
    change = [first[run] - again[run] for run in both]
    lower = f"errors are {fmean(change):.2f} points lower with\nAVX2 (sd {stdev(change):.2f}, n = {len(both)})"
    assert lower in FINDINGS
    assert f"hardly correlate ({correlation(*deltas):.2f})" in FINDINGS


def test_the_readme_is_short():
    assert len(README.split()) <= 1300


def test_a_result_takes_the_place_of_the_one_before():
    row = {"label": "none", "verdict": "baseline", "delta": None, "mean": 5.0, "sd": 0.25}
    other = {"label": "r=1", "verdict": "better", "delta": {"mean": -1.0, "low": -1.5, "high": -0.5, "n": 8}}
    head, rest = '"""Question: is it?\n\nn           5 seeds\n', 'more        of it\n"""\n'
    source = head + "result      not run yet,\n            nor soon\n" + rest
    written = with_result(source, {"rows": [row, other]})
    result = (
        "result      at --preset findings, Δ in points: none 5.00 ± 0.25 % (n = 8); better: r=1 −1.00 [−1.50, −0.50]; "
        "not run yet\n            at the paper's scale\n"
    )
    assert written == head + result + rest
    assert with_result(written, {"rows": [row, other]}) == written


def test_the_winner_of_a_seed_has_the_lowest_error_of_those_that_all_rows_have():
    errors = {"none": {0: 5.0, 1: 4.0, 2: 4.0}, "BAM": {0: 4.9, 1: 4.0, 3: 1.0}}
    rows = [type("Row", (), {"label": label, "errors": by_seed}) for label, by_seed in errors.items()]
    assert winners(type("T", (Table,), {"rows": rows, "__init__": lambda self: None})()) == {"none": 1, "BAM": 1}
