"""Coordinate attention: its contract, its formula as loops and the paper's count."""

import math

import numpy as np
import pytest
import torch
from torchvision.models import mobilenet_v2

from lightning_bam import ConfigError, CoordinateAttention, CoordinateAttentionSpec, count_module, insert
from tests.lightning_bam.attention.contract import AttentionContract, C, image, randomise


class TestCoordinateAttention(AttentionContract):
    module = CoordinateAttention
    spec = CoordinateAttentionSpec
    narrow = {"reduction": 4, "min_hidden": 0}  # noqa: RUF012
    others = {"reduction": [2, 13], "min_hidden": [5, 8], "hidden_norm": [False]}  # noqa: RUF012
    outside = ("reduction", 0)


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize("hidden_norm", [True, False])
def test_formula(hidden_norm):
    module = CoordinateAttention(C, reduction=4, min_hidden=0, hidden_norm=hidden_norm)
    module, x = randomise(module).eval(), image(2, C, 3, 7)
    weight = {name: tensor.numpy() for name, tensor in module.state_dict().items()}

    def gate(means, name):  # of the C means of one row or column
        hidden = weight["reduce.weight"][:, :, 0, 0] @ means + weight["reduce.bias"]
        if hidden_norm:
            hidden = (hidden - weight["norm.running_mean"]) / np.sqrt(weight["norm.running_var"] + 1e-5)
            hidden = hidden * weight["norm.weight"] + weight["norm.bias"]
        hidden = np.array([v * min(max(v + 3, 0), 6) / 6 for v in hidden])
        return [sigmoid(v) for v in weight[f"{name}.weight"][:, :, 0, 0] @ hidden + weight[f"{name}.bias"]]

    expected = x.numpy().copy()
    for n in range(2):
        rows = [gate(x[n, :, i, :].numpy().mean(axis=1), "rows") for i in range(3)]
        columns = [gate(x[n, :, :, j].numpy().mean(axis=1), "columns") for j in range(7)]
        for c in range(C):
            for i in range(3):
                for j in range(7):
                    expected[n, c, i, j] *= rows[i][c] * columns[j][c]
    np.testing.assert_allclose(module(x).detach().numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("channels", "knobs", "hidden"),
    [
        (64, {}, 8),
        (960, {}, 30),
        (13, {}, 8),
        (31, {"min_hidden": 1}, 1),
        (300, {"min_hidden": 0}, 9),
        (216, {"reduction": 16}, 13),
    ],
)
def test_hidden_channels(channels, knobs, hidden):
    assert CoordinateAttention(channels, **knobs).reduce.out_channels == hidden


def test_without_a_least_width_fewer_channels_than_the_reduction_are_an_error():
    with pytest.raises(ConfigError) as caught:
        CoordinateAttention(31, min_hidden=0)
    assert str(caught.value) == (
        "reduction=32: 31 channels are fewer than that and leave no hidden channel; use a reduction of at most 31"
    )


@pytest.mark.parametrize(("min_hidden", "params"), [(8, 3_950_648), (0, 3_942_239)])
def test_the_paper_s_mobilenet_v2(min_hidden, params):
    """The paper prints 3.95M: after each depthwise conv that follows an expansion, at least 8 hidden channels."""
    with torch.device("meta"):
        network = mobilenet_v2()
    layers = [f"features.{block}.conv.1" for block in range(2, 18)]
    insert(network, CoordinateAttentionSpec(min_hidden=min_hidden), at=layers, input_shape=(3, 224, 224))
    assert sum(weight.numel() for weight in network.parameters()) == params


def test_counts():
    cost = count_module(CoordinateAttention(64), (64, 5, 7))
    assert cost.params == 64 * 8 + 8 + 2 * 8 + 2 * (8 * 64 + 64)
    assert cost.macs == 64 * 8 * (5 + 7) + 8 * 64 * 5 + 8 * 64 * 7
