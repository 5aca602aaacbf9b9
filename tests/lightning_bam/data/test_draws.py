"""Random numbers are a pure function of their key, for good."""

import numpy as np

from lightning_bam.data.draws import integers, permutation, words


def test_words_are_pinned():
    assert words(3, 1, 2, 3).tolist() == [14676147173371590070, 10900028378046707525, 3768531691293557059]


def test_each_part_of_the_key_matters():
    keys = [(0,), (1,), (0, 1), (1, 0), (0, 0, 1)]
    assert len({words(1, *key).item() for key in keys}) == len(keys)


def test_longer_draws_begin_with_the_shorter():
    assert words(5, 7).tolist() == words(9, 7)[:5].tolist()


def test_integers_fill_their_range_evenly():
    drawn = integers(70_000, -3, 4, 5)
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert abs(counts - 10_000).max() < 500  # five standard deviations


def test_permutation_holds_each_number_once_and_is_shuffled():
    order = permutation(1000, 3)
    assert sorted(order.tolist()) == list(range(1000))
    assert (order == np.arange(1000)).sum() < 10
