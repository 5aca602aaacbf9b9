"""The README, its pictures and the catalogue's docstrings say what the kept findings say."""

from __future__ import annotations

from analysis.gallery.docstrings import with_result
from analysis.gallery.pictures import winners
from analysis.table.build import Table


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
