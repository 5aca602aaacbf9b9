"""Names beside points: none covers another while there is room."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.plots.placing import Box, apart, around, place, shared


def test_boxes_by_hand():
    assert around((1, 5), (3, 2), 1) == Box(0, 1, 4, 6)
    assert shared(Box(0, 0, 4, 4), Box(1, 2, 9, 9)) == 6
    assert shared(Box(0, 0, 1, 1), Box(1, 0, 2, 1)) == 0


def test_apart_by_hand():
    assert apart([0.5], [0.1]) == [0.5]
    assert apart([0.5, 0.5], [0.1, 0.1]) == pytest.approx([0.45, 0.55])
    assert apart([0.9, 0.2], [0.1, 0.1]) == pytest.approx([0.9, 0.2])
    assert apart([0.5, 0.52, 0.9], [0.2, 0.2, 0.1]) == pytest.approx([0.41, 0.61, 0.9])
    assert apart([0.0, 1.0], [0.2, 0.4]) == pytest.approx([0.1, 0.8]), "back inside"


@given(st.lists(st.tuples(st.floats(-0.2, 1.2), st.floats(0.01, 0.3)), min_size=1, max_size=12))
def test_apart_keeps_order_touches_nothing_and_stays_inside_where_it_fits(asked):
    wanted, sizes = zip(*asked, strict=True)
    found = apart(wanted, sizes)
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    for below, above in pairwise(order):
        assert found[above] - found[below] >= (sizes[below] + sizes[above]) / 2 - 1e-9
    if sum(sizes) <= 1:
        assert found[order[0]] - sizes[order[0]] / 2 >= -1e-9
        assert found[order[-1]] + sizes[order[-1]] / 2 <= 1 + 1e-9


def test_names_of_near_points_cover_neither_each_other_nor_the_points():
    spots = [(100.0, 100.0), (103.0, 101.0), (99.0, 104.0), (102.0, 97.0)]
    sizes = [(30.0, 8.0)] * 4
    taken = [around(spot, spot, 3) for spot in spots]
    offsets = place(spots, sizes, taken, Box(0, 0, 200, 200))
    boxes = [
        Box(x + dx - 15, y + dy - 4, x + dx + 15, y + dy + 4) for (x, y), (dx, dy) in zip(spots, offsets, strict=True)
    ]
    everything = taken + boxes
    assert not any(shared(a, b) for a in boxes for b in everything if a is not b)


def test_a_name_stays_inside_the_frame():
    ((dx, dy),) = place([(98.0, 98.0)], [(30.0, 8.0)], [], Box(0, 0, 100, 100))
    assert 98 + dx + 15 <= 100
    assert 98 + dy + 4 <= 100
