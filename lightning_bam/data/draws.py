"""Random numbers as a pure function of integers, the same on every machine and version of NumPy."""

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


def words(count: int, *key: int) -> Words:
    """Return `count` random 64-bit words that depend on `key` alone: raw PCG64, which NumPy guarantees for good.

    The key's length is part of the seed, since NumPy takes (1,) and (1, 0) for the same.
    """
    return np.random.PCG64((len(key), *key)).random_raw(count)


def integers(count: int, low: int, high: int, *key: int) -> Ints:
    """Return `count` integers in `[low, high)`; the bias of the remainder is below 2^-50."""
    return (words(count, *key) % np.uint64(high - low)).astype(np.int64) + low


def permutation(count: int, *key: int) -> Ints:
    """Return a random order of `0 .. count - 1`."""
    return np.argsort(words(count, *key), kind="stable")
