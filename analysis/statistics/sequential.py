"""Looking at a paired t-test several times without inflating its errors: alpha spending, exact for Student's t.

A spending function (Lan, DeMets, Biometrika 1983) says how much of the level may be used up by the time a share of the
seeds is in; the limits of each look follow from the joint law of the statistics under no difference. Textbooks take
that law from the normal, which is too liberal at three or five seeds. Here it is Student's own: for n equal normal
differences v = S / sqrt(n Q), with their sum S and sum of squares Q, is the cosine between them and (1, ..., 1), whose
law does not depend on their spread, and one more difference x turns it into

    v' = (sqrt(1 - w^2) sqrt(n) v + w) / sqrt(n + 1),    w = x / sqrt(Q + x^2),

where w is independent of v, its density proportional to (1 - w^2)^(n/2 - 1) (the direction of a normal vector is
independent of its length). So the law of v is carried from look to look on a grid.
"""

import math
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from studies.definition.stopping import Spending

CELLS = 4000
"""Cells of the grid over the angle arccos v, from 0 to pi."""
EDGES: Final[NDArray[np.float64]] = np.linspace(0.0, math.pi, CELLS + 1)
NODES = 600
"""Values of w above 0 that stand for its law; those below are their mirror image."""
SIMULATED = 20_000
"""Rows that `stops` simulates: a share of them is off by at most 0.7 percentage points (95 %)."""


def allowance(share: float, level: float, spending: Spending) -> float:
    """Return how much of `level` may be used up when `share` (0 to 1) of the seeds is in (Lan and DeMets, 1983).

    `obrien-fleming`: 2 - 2 Phi(z / sqrt(share)) on either side, with half the level and its two-sided z, hardly
    anything at first; `pocock`: level ln(1 + (e - 1) share), about as much at every look.
    """
    if spending == "pocock":
        return level * math.log1p((math.e - 1) * share)
    return 4 * float(special.ndtr(special.ndtri(level / 4) / math.sqrt(share)))


@lru_cache(maxsize=64)
def limits(looks: tuple[int, ...], level: float = 0.05, spending: Spending = "obrien-fleming") -> tuple[float, ...]:
    """Return for each look the two-sided p-value of the paired t-test at or below which there is a difference.

    Under no difference, and normal differences, the chance to meet one of the limits by the k-th look is what
    the spending function allows by then; after the last look it is `level`. One side alone has half of it. `looks` are
    the pairs in hand at each, which rise from 2 up (see `Stopping`).
    """
    allowances = [allowance(n / looks[-1], level, spending) for n in looks]
    steps = [now - before for now, before in zip(allowances, [0.0, *allowances], strict=False)]
    bounds = [steps[0]]
    mass = _first(looks[0])
    for before, n, step in zip(looks, looks[1:], steps[1:], strict=False):
        mass = _between(mass, _angle(bounds[-1], before))
        for pairs in range(before, n):
            mass = _carry(mass, pairs)
        p = max(_p(_cut(mass, step), n), step)  # the step is always safe (Bonferroni)
        bounds.append(min(p, allowances[len(bounds)]))
    return tuple(bounds)


class Stops(NamedTuple):
    """The share of rows that stop at each look, as different and as equivalent, and how many seeds a row gets."""

    different: tuple[float, ...]
    equivalent: tuple[float, ...]
    seeds: float


def stops(
    looks: tuple[int, ...],
    level: float,
    spending: Spending,
    effect: float,
    margin: float | None = None,
    simulated: int = SIMULATED,
) -> Stops:
    """Simulate at which look rows of one true difference stop, with a fixed seed.

    `effect` and `margin` are in sd of the paired differences, which are normal; `level` is that of one row. From look
    to look only the sum of the differences and their sum of squares are drawn: of k more of them the sum is normal with
    mean k · effect and variance k, and the squares about their mean are χ²(k - 1), independent of it.
    """
    generator = np.random.default_rng(0)
    differs = limits(looks, level, spending)
    same = differs if margin is None else limits(looks, 2 * level, spending)  # each of the two tests is one-sided
    total, squares = np.zeros((2, simulated))
    going = np.ones(simulated, dtype=bool)
    seeds = 0.0
    shares: dict[str, list[float]] = {"different": [], "equivalent": []}
    for before, n, limit, tost_limit in zip((0, *looks), looks, differs, same, strict=False):
        more = n - before
        step = generator.normal(more * effect, math.sqrt(more), simulated)
        squares += step**2 / more + 2 * generator.standard_gamma((more - 1) / 2, simulated)
        total += step
        mean = np.abs(total) / n
        error = np.sqrt(np.maximum(squares - total**2 / n, 0.0) / (n - 1) / n)
        seeds += more * float(np.mean(going))
        met = going & (mean >= critical(limit, n) * error)
        within = np.zeros_like(met)
        if margin is not None:
            within = going & ~met & (margin - mean >= critical(tost_limit, n) * error)
        shares["different"].append(float(np.mean(met)))
        shares["equivalent"].append(float(np.mean(within)))
        going &= ~(met | within)
    return Stops(different=tuple(shares["different"]), equivalent=tuple(shares["equivalent"]), seeds=seeds)


def critical(p: float, n: int) -> float:
    """Return the t of n pairs whose two-sided p-value this is."""
    return -float(special.stdtrit(n - 1, p / 2))


def _first(n: int) -> NDArray[np.float64]:
    """Return the mass of each cell at n pairs: Student's t at the cotangents of its edges."""
    inner = special.stdtr(n - 1, -math.sqrt(n - 1) / np.tan(EDGES[1:-1]))
    return np.diff(np.concatenate([[0.0], inner, [1.0]]))


def _angle(p: float, n: int) -> float:
    """Return the angle whose two-sided p-value this is."""
    return math.atan2(math.sqrt(n - 1), critical(p, n))


def _p(angle: float, n: int) -> float:
    """Return the two-sided p-value of an angle."""
    return 2 * float(special.stdtr(n - 1, -math.sqrt(n - 1) / math.tan(angle)))


def _between(mass: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Return what goes on: the mass between the limits, a cell that one of them crosses in part."""
    inside = np.clip(np.minimum(EDGES[1:], math.pi - angle) - np.maximum(EDGES[:-1], angle), 0.0, None)
    return np.asarray(mass * inside / np.diff(EDGES))


def _carry(mass: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Carry the mass of each cell from n pairs to n + 1, shared among the three cells nearest to where it comes.

    The shares keep its mean and its variance, so that many steps do not blur it.
    """
    width = math.pi / CELLS
    centre = (np.arange(CELLS) + 0.5) * width
    turn = (np.arange(NODES) + 0.5) * math.pi / 2 / NODES
    weight = np.cos(turn) ** (n - 1)
    weight /= 2 * weight.sum()
    moved = np.zeros(CELLS)
    for w_turn, share in zip(turn, weight, strict=True):
        v = (math.cos(w_turn) * math.sqrt(n) * np.cos(centre) + math.sin(w_turn)) / math.sqrt(n + 1)
        place = np.arccos(np.clip(v, -1.0, 1.0)) / width - 0.5
        near = np.clip(np.rint(place).astype(int), 1, CELLS - 2)
        off = np.clip(place - near, -1.0, 1.0)
        moved += np.bincount(near - 1, share * mass * (off**2 - off) / 2, CELLS)
        moved += np.bincount(near, share * mass * (1 - off**2), CELLS)
        moved += np.bincount(near + 1, share * mass * (off**2 + off) / 2, CELLS)
    return moved + moved[::-1]  # the mass is its own mirror image, and so is the law of w


def _cut(mass: NDArray[np.float64], tails: float) -> float:
    """Return the angle below which, and above whose mirror image, `tails` of the mass lies."""
    folded = np.cumsum(mass + mass[::-1])[: CELLS // 2]
    return float(np.interp(tails, np.concatenate([[0.0], folded]), EDGES[: CELLS // 2 + 1]))
