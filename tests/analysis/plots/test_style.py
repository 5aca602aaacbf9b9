"""Series can be told apart in grey and without seeing colour."""

from __future__ import annotations

import pytest

from analysis.plots.effects import symbol
from analysis.plots.published import OURS
from analysis.plots.style import BLACK, COLOURS, mark
from analysis.table.verdict import Verdict


def lightness(colour: str) -> float:
    """Return the lightness of an sRGB colour `#rrggbb`, from 0 (black) to 100 (white): L* of CIE 1976."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 116 * luminance ** (1 / 3) - 16 if luminance > (6 / 29) ** 3 else luminance * (29 / 3) ** 3


def test_lightness_by_hand():
    assert lightness("#000000") == 0
    assert lightness("#ffffff") == pytest.approx(100)
    assert lightness("#777777") == pytest.approx(50.03, abs=0.01)  # Y = 0.1845
    assert lightness("#010101") == pytest.approx(0.274, abs=0.001)  # below the bend


def test_neighbours_differ_in_lightness_marker_and_line():
    for place in range(140):
        one, two = mark(place), mark(place + 1)
        assert abs(lightness(one["color"]) - lightness(two["color"])) >= 15
        assert one["marker"] != two["marker"]
        assert one["linestyle"] != two["linestyle"]


def test_no_two_series_of_a_plot_look_alike_without_colour():
    assert len({(mark(place)["marker"], str(mark(place)["linestyle"])) for place in range(28)}) == 28


def test_none_is_too_pale_for_white_paper():
    assert max(map(lightness, COLOURS)) < 75
    assert COLOURS[0] == BLACK


def test_verdicts_differ_in_shape_or_fill_and_those_with_a_colour_in_lightness_from_none():
    said = (
        Verdict(kind="better"),
        Verdict(kind="worse"),
        Verdict(kind="better", n=3, wanted=5),
        Verdict(kind="no clear difference", n=3, wanted=5),
        Verdict(kind="changes nothing"),
        Verdict(kind="equivalent", within=0.3),
    )
    for higher in (True, False):
        looks = [symbol(verdict, higher_is_better=higher) for verdict in said]
        assert len({(look["marker"], look["markerfacecolor"]) for look in looks}) == len(said)
    assert len({(look["marker"], look["markerfacecolor"]) for look in OURS.values()}) == 3
    assert len({(look["marker"], look["markerfacecolor"] == "white") for look in OURS.values()}) == 3
