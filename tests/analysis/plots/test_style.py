"""Series can be told apart in grey and without seeing colour."""

from __future__ import annotations

import pytest

from analysis.plots.effects import symbol
from analysis.plots.published import OURS
from analysis.plots.style import BLACK, BLUE, COLOURS, DARK, GREY, INK, ORANGE, WHITE, mark
from analysis.table.verdict import Verdict


def luminance(colour: str) -> float:
    """Return the relative luminance of an sRGB colour `#rrggbb`, from 0 (black) to 1 (white)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def lightness(colour: str) -> float:
    """Return the lightness of such a colour, from 0 (black) to 100 (white): L* of CIE 1976."""
    light = luminance(colour)
    return 116 * light ** (1 / 3) - 16 if light > (6 / 29) ** 3 else light * (29 / 3) ** 3


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


def contrast(one, other):
    """Return the contrast of two colours as WCAG 2.2 defines it, from 1 to 21."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_by_hand():
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # as others compute it
    assert contrast(WHITE, BLACK) == pytest.approx(21)


def test_on_a_dark_page_words_have_a_contrast_of_4_5_and_marks_of_3():
    ground = DARK[WHITE]
    assert all(contrast(DARK[colour], ground) >= 4.5 for colour in (BLACK, INK, GREY))
    assert all(contrast(DARK[colour], ground) >= 3 for colour in (*COLOURS, BLUE, ORANGE))


def test_on_a_dark_page_neighbours_differ_in_lightness_as_on_white():
    for place in range(len(COLOURS)):
        one, two = (DARK[COLOURS[at % len(COLOURS)]] for at in (place, place + 1))
        assert abs(lightness(one) - lightness(two)) >= 15


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
