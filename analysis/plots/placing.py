"""Places for names beside points, so that they cover as little as possible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

DIRECTIONS: Final = (45, 0, 315, 135, 180, 225, 90, 270, 20, 160, 200, 340)
"""Where a name may stand as seen from its point, in degrees, the best first."""
RINGS: Final = (1.0, 2.2, 3.6, 5.2)
"""How far away, in steps of `STEP` beyond the name's own half."""
STEP: Final = 5.0


COLUMN: Final = 4
"""Points above each other from which their names stand in columns beside them."""
ASIDE: Final = 11.0
"""How far such a column stands from its points."""


class Box(NamedTuple):
    """A rectangle in points of 1/72 inch."""

    left: float
    bottom: float
    right: float
    top: float


def around(a: tuple[float, float], b: tuple[float, float], margin: float) -> Box:
    """Return the box around two points, wider by a margin on every side."""
    return Box(min(a[0], b[0]) - margin, min(a[1], b[1]) - margin, max(a[0], b[0]) + margin, max(a[1], b[1]) + margin)


def shared(a: Box, b: Box) -> float:
    """Return the area that two boxes share."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.top, b.top) - max(a.bottom, b.bottom)
    return width * height if width > 0 and height > 0 else 0.0


def place(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], taken: Sequence[Box], frame: Box
) -> list[tuple[float, float]]:
    """Return for each point where the centre of its name stands, as seen from it, in points of 1/72 inch.

    Greedy, in the order given: each name takes the first place of the least cost, which is the area it shares with
    what is `taken` (and with earlier names) plus what of it lies outside the frame; near places come first.

    Args:
        points: where the points are.
        sizes: width and height of each one's name.
        taken: what a name should not cover.
        frame: what it should not leave.

    """
    there = list(taken)
    found = []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        best, offset = math.inf, (0.0, 0.0)
        for ring in RINGS:
            for direction in DIRECTIONS:
                cos, sin = math.cos(math.radians(direction)), math.sin(math.radians(direction))
                dx, dy = cos * (STEP * ring + width / 2), sin * (STEP * ring + height / 2)
                box = Box(x + dx - width / 2, y + dy - height / 2, x + dx + width / 2, y + dy + height / 2)
                cost = sum(shared(box, other) for other in there) + width * height - shared(box, frame)
                if cost < best - 1e-6:
                    best, offset, chosen = cost, (dx, dy), box
        there.append(chosen)
        found.append(offset)
    return found


def columns(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], frame: Box
) -> dict[int, tuple[float, float]]:
    """Return where names stand whose points are too close above each other: in columns at both sides, in their order.

    So no line from a name to its point crosses another one. The names of other points are left out.
    """
    found: dict[int, tuple[float, float]] = {}
    groups: list[list[int]] = []
    for at in sorted(range(len(points)), key=lambda at: points[at]):
        if groups and points[at][0] - points[groups[-1][0]][0] < STEP:
            groups[-1].append(at)
        else:
            groups.append([at])
    tall = frame.top - frame.bottom
    for group in groups:
        group.sort(key=lambda at: points[at][1])
        close = any(points[b][1] - points[a][1] < sizes[b][1] for a, b in pairwise(group))
        reach, x = ASIDE + max(sizes[at][0] for at in group), points[group[0]][0]
        sides = [side for side in (1, -1) if frame.left < x + side * reach < frame.right]
        if len(group) < COLUMN or not close or not sides:
            continue
        for place, side in enumerate(sides):
            members = group[place :: len(sides)]
            wanted = [(points[at][1] - frame.bottom) / tall for at in members]
            for at, y in zip(members, apart(wanted, [sizes[at][1] / tall for at in members]), strict=True):
                found[at] = (side * (ASIDE + sizes[at][0] / 2), frame.bottom + y * tall - points[at][1])
    return found


def apart(wanted: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Return the places nearest to the wanted ones at which things of these sizes stand above each other untouched.

    The order of the wanted places is kept; neighbours that would touch are moved apart about their common middle
    (pool adjacent violators: the least sum of squared moves). What then sticks out of [0, 1] moves back in, as far as
    all of them fit there.
    """
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    blocks: list[tuple[float, float, list[int]]] = []  # middle, height, members from below
    for at in order:
        middle, height, members = wanted[at], sizes[at], [at]
        while blocks and blocks[-1][0] + blocks[-1][1] / 2 > middle - height / 2:
            below, tall, earlier = blocks.pop()
            weight = len(earlier) / (len(earlier) + len(members))
            joint = weight * (below + height / 2) + (1 - weight) * (middle - tall / 2)
            middle, height, members = joint, height + tall, earlier + members
        blocks.append((middle, height, members))
    found = [0.0] * len(wanted)
    for middle, height, members in blocks:
        edge = middle - height / 2
        for at in members:
            found[at] = edge + sizes[at] / 2
            edge += sizes[at]
    floor = min(0.0, (1 - sum(sizes)) / 2)
    for at in order:
        found[at] = max(found[at], floor + sizes[at] / 2)
        floor = found[at] + sizes[at] / 2
    ceiling = max(1.0, (1 + sum(sizes)) / 2)
    for at in reversed(order):
        found[at] = min(found[at], ceiling - sizes[at] / 2)
        ceiling = found[at] - sizes[at] / 2
    return found
