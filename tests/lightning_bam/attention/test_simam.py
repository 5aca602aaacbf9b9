"""SimAM: its contract and its least energy as loops."""

import math

import numpy as np
import pytest

from lightning_bam import SimAM, SimAMSpec, count_module
from tests.lightning_bam.attention.contract import AttentionContract, image


class TestSimAM(AttentionContract):
    module = SimAM
    spec = SimAMSpec
    others = {"e_lambda": [0.1], "unbiased": [True]}  # noqa: RUF012
    outside = ("e_lambda", 0)
    limit = "greater than 0"


@pytest.mark.parametrize("unbiased", [False, True], ids=["paper", "released"])
@pytest.mark.parametrize("e_lambda", [1e-4, 0.3])
def test_formula(e_lambda, unbiased):
    x = image(2, 5, 3, 7)
    expected = x.numpy().copy()
    for n in range(2):
        for c in range(5):
            neurons = x[n, c].flatten().tolist()
            mean = sum(neurons) / 21
            variance = sum((other - mean) ** 2 for other in neurons) / (20 if unbiased else 21)
            for i in range(3):
                for j in range(7):
                    difference = (float(x[n, c, i, j]) - mean) ** 2
                    energy = 4 * (variance + e_lambda) / (difference + 2 * variance + 2 * e_lambda)
                    expected[n, c, i, j] /= 1 + math.exp(-1 / energy)
    module = SimAM(5, e_lambda=e_lambda, unbiased=unbiased)
    np.testing.assert_allclose(module(x).numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("unbiased", [False, True])
def test_a_neuron_alone_in_its_map_has_the_energy_of_the_mean(unbiased):
    x = image(2, 5, 1, 1)
    np.testing.assert_allclose(SimAM(5, unbiased=unbiased)(x), x / (1 + math.exp(-0.5)), rtol=1e-12)


def test_counts():
    cost = count_module(SimAM(64), (64, 5, 7))
    assert (cost.params, cost.macs) == (0, 0)
