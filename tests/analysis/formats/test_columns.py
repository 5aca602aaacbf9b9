"""Figures stay numbers until a format prints them."""

from __future__ import annotations

import math

import pytest

from analysis.formats.columns import Delta, Figure, FigureColumn, signed


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(mean=20.1, sd=0.764, n=4, wanted=4), "20.10 ± 0.76 (4)"),
        (Figure(mean=20.1, sd=math.nan, n=1), "20.10 (1)"),
        (Figure(mean=math.nan, sd=math.nan, n=0), "—"),
        (
            Figure(mean=20.1, sd=0.0, n=2, wanted=5, states={"missing": 2, "failed": 1}),
            "20.10 ± 0.00\n(2 of 5;\n1 failed,\n2 missing)",
        ),
        (Delta(mean=-2.025, low=-2.18, high=0.001), "−2.02\n[−2.18, +0.00]"),
        (Delta(mean=0.0, low=math.nan, high=math.nan), "0.00"),
    ],
)
def test_a_figure_in_words(figure, text):
    assert str(figure) == text


def test_figures_are_aligned_at_the_point_marked_and_bold():
    column = FigureColumn(
        heading="error (%)",
        figures=[Figure(mean=9.5, sd=0.1, n=2, best=True), None, Figure(mean=10.0, sd=0.1, n=2, marks=("a", "ab"))],
    )
    assert column.printed().cells == [" 9.50 ± 0.10 (2)", "", "10.00 ± 0.10 (2)ᵃ,ᵃᵇ"]
    assert column.printed("**").cells[0] == " **9.50** ± 0.10 (2)"


def test_a_difference_that_rounds_to_zero_has_its_sign():
    assert [signed(value) for value in (-0.001, 0.0, 0.001, 1.0)] == ["−0.00", "0.00", "+0.00", "+1.00"]
