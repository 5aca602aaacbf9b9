"""Estimated marginal means: what the additive model says of each level of a factor, whatever cells are missing."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.anova import SEEDS

ROUNDING = 1e-9
"""A weight below this is the rounding of the arithmetic."""


@dataclass(frozen=True, kw_only=True)
class Marginal:
    """The marginal means of a design.

    Attributes:
        means: factor -> level -> its mean; NaN where the runs cannot tell it.
        errors: factor -> level -> the standard error of the mean, where that of one figure is 1.
        gap: which means these runs cannot tell, and what they do not connect; empty where they tell all.

    """

    means: Mapping[str, Mapping[str, float]]
    errors: Mapping[str, Mapping[str, float]]
    gap: str


def marginal_means(
    figures: ArrayLike, levels: Mapping[str, Sequence[str]], seeds: Sequence[int], factors: Mapping[str, Sequence[str]]
) -> Marginal:
    """Estimate the mean at each level (least-squares means; Searle, Speed and Milliken, 1980).

    The model is additive in the factors and the seeds (blocks), fitted to the runs by least squares. A level's mean is
    what the fit says of it on average over all levels of the other factors and all seeds that have a run, each level
    with the same weight, whether or not a run is there. So a level that was not run with a costly level of another
    factor does not look better for it. In a complete design with the same seeds in each cell it is the mean of the
    level's runs.

    Args:
        figures: one figure a run, shape (n,).
        levels: factor -> the level of each run.
        seeds: the seed of each run.
        factors: factor -> its levels, in the order to name them.

    """
    known: dict[str, list[Hashable]] = {
        name: [level for level in of if level in set(levels[name])] for name, of in factors.items()
    }
    design = _Design({**levels, SEEDS: seeds}, known | {SEEDS: sorted(set(seeds))})
    y = np.asarray(figures, dtype=float)
    middle = float(y.mean())
    means: dict[str, dict[str, float]] = {}
    errors: dict[str, dict[str, float]] = {}
    apart: list[str] = []
    for name, of in factors.items():
        weights = {level: design.weights(design.mean(name, level)) for level in of if level in known[name]}
        told = {level: found for level, found in weights.items() if found is not None}
        means[name] = {level: middle + float(told[level] @ (y - middle)) if level in told else math.nan for level in of}
        errors[name] = {level: float(np.linalg.norm(told[level])) if level in told else math.nan for level in of}
        if unknown := [level for level in weights if level not in told]:
            apart.append(f"{name}={', '.join(unknown)}")
    parted = [f"{name} ({' | '.join(pieces)})" for name in design.levels if len(pieces := design.pieces(name)) > 1]
    gap = f"no marginal mean at {'; '.join(apart)}: these runs do not connect the levels of {', '.join(parted)}"
    return Marginal(means=means, errors=errors, gap=gap if apart else "")


@dataclass
class _Design:
    """The columns of the additive model: a constant, and one for each level of each term."""

    runs: Mapping[str, Sequence[Hashable]]
    levels: Mapping[str, Sequence[Hashable]]
    places: dict[str, slice] = field(init=False)
    inverse: NDArray[np.float64] = field(init=False)
    spanned: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        """Lay out the columns, and find what their rows span."""
        self.places = {}
        parts: list[NDArray[np.float64]] = [np.ones((len(self.runs[SEEDS]), 1))]
        for name, of in self.levels.items():
            start = sum(part.shape[1] for part in parts)
            self.places[name] = slice(start, start + len(of))
            column = {level: index for index, level in enumerate(of)}
            parts.append(np.eye(len(of))[[column[level] for level in self.runs[name]]])
        x = np.hstack(parts)
        self.inverse = np.asarray(np.linalg.pinv(x, rcond=ROUNDING), dtype=np.float64)
        self.spanned = self.inverse @ x

    def mean(self, name: str, level: Hashable) -> NDArray[np.float64]:
        """Return the coefficients of the mean at a level: that level, and every other term's with equal weights."""
        row = np.ones(self.spanned.shape[0])
        for term, place in self.places.items():
            row[place] = self._only(name, level)[place] if term == name else 1 / len(self.levels[term])
        return row

    def weights(self, row: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return the weight of each run in the estimate of these coefficients; None if the runs cannot tell it."""
        told = np.abs(row @ self.spanned - row).max() < ROUNDING
        return row @ self.inverse if told else None

    def pieces(self, name: str) -> list[str]:
        """Return the levels of a term, those in one text whose difference the runs can tell."""
        pieces: list[list[Hashable]] = []
        for level in self.levels[name]:
            for piece in pieces:
                if self.weights(self._only(name, level) - self._only(name, piece[0])) is not None:
                    piece.append(level)
                    break
            else:
                pieces.append([level])
        return [", ".join(map(str, piece)) for piece in pieces]

    def _only(self, name: str, level: Hashable) -> NDArray[np.float64]:
        row = np.zeros(self.spanned.shape[0])
        row[self.places[name].start + list(self.levels[name]).index(level)] = 1
        return row
