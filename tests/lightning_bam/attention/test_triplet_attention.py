"""Triplet attention: its contract, its formula as loops and the paper's count."""

import math

import numpy as np
import pytest

from lightning_bam import (
    ConfigError,
    EveryBlock,
    ImageNet,
    ResNet50,
    Run,
    TripletAttention,
    TripletAttentionSpec,
    count,
    count_module,
)
from tests.lightning_bam.attention.contract import AttentionContract, image, randomise


class TestTripletAttention(AttentionContract):
    module = TripletAttention
    spec = TripletAttentionSpec
    others = {"kernel_size": [1, 3, 5], "branches": ["channel", "spatial"]}  # noqa: RUF012
    outside = ("kernel_size", 0)


def plane_gate(pooled, branch):
    """Return the gate `(A, B)` of `pooled` `(2, A, B)`: a conv with zeros outside, a norm in eval mode, a sigmoid."""
    state = branch.state_dict()
    weight = state["0.weight"].numpy()[0]
    mean, variance, scale, shift = (
        float(state[f"1.{name}"]) for name in ("running_mean", "running_var", "weight", "bias")
    )
    _, a_size, b_size = pooled.shape
    k = weight.shape[1]
    gate = np.zeros((a_size, b_size))
    for a in range(a_size):
        for b in range(b_size):
            logit = 0.0
            for i in range(k):
                for j in range(k):
                    at, bt = a + i - k // 2, b + j - k // 2
                    if 0 <= at < a_size and 0 <= bt < b_size:
                        logit += weight[0, i, j] * pooled[0, at, bt] + weight[1, i, j] * pooled[1, at, bt]
            logit = (logit - mean) / math.sqrt(variance + 1e-5) * scale + shift
            gate[a, b] = 1 / (1 + math.exp(-logit))
    return gate


@pytest.mark.parametrize("branches", ["both", "channel", "spatial"])
@pytest.mark.parametrize("k", [3, 7])
def test_formula(k, branches):
    module, x = randomise(TripletAttention(5, kernel_size=k, branches=branches)).eval(), image(2, 5, 3, 11)
    expected = x.numpy().copy()
    for n in range(2):
        one = x[n].numpy()
        pooled = {dim: np.stack([one.max(axis=dim), one.mean(axis=dim)]) for dim in range(3)}
        gates = []
        if branches != "spatial":
            cw, hc = plane_gate(pooled[1], module.cw), plane_gate(pooled[2].transpose(0, 2, 1), module.hc)
            gates += [cw[:, None, :], hc.T[:, :, None]]
        if branches != "channel":
            gates += [plane_gate(pooled[0], module.hw)[None]]
        expected[n] *= sum(gates) / len(gates)
    np.testing.assert_allclose(module(x).detach().numpy(), expected, rtol=0, atol=1e-12)


def test_the_paper_s_4_8_thousand_parameters_of_resnet50():
    plain = Run(dataset=ImageNet(), backbone=ResNet50(stem="imagenet"))
    attention = TripletAttentionSpec()
    attended = Run(dataset=ImageNet(), backbone=plain.backbone, attention=attention, placement=EveryBlock())
    assert count(attended).params - count(plain).params == 16 * 3 * (2 * 49 + 2) == 4800


@pytest.mark.parametrize(
    ("knobs", "params", "positions"),
    [
        ({}, 3 * 100, 64 * 7 + 5 * 64 + 5 * 7),
        ({"branches": "channel"}, 2 * 100, 64 * 7 + 5 * 64),
        ({"branches": "spatial"}, 100, 5 * 7),
    ],
    ids=str,
)
def test_counts(knobs, params, positions):
    cost = count_module(TripletAttention(64, **knobs), (64, 5, 7))
    assert (cost.params, cost.macs) == (params, 2 * 49 * positions)


def test_the_norms_follow_their_batches_as_the_released_code_s_do():
    module = TripletAttention(5)
    assert {norm.momentum for norm in (module.cw[1], module.hc[1], module.hw[1])} == {0.01}


def test_an_even_kernel_has_no_middle():
    with pytest.raises(ConfigError) as caught:
        TripletAttention(64, kernel_size=4)
    assert str(caught.value) == "TripletAttention: kernel_size must be odd, got 4"
