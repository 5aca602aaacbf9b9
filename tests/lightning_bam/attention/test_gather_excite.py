"""Gather-excite: its contract, its formula as loops and its counts."""

import math

import numpy as np
import pytest
import torch

from lightning_bam import SE, ConfigError, GatherExcite, GatherExciteSpec, Run, count_module
from tests.lightning_bam.attention.contract import AttentionContract, C, image, randomise


class TestWithoutParameters(AttentionContract):
    """GE-θ⁻."""

    module = GatherExcite
    spec = GatherExciteSpec
    narrow = {"extent": 4, "reduction": 4}  # noqa: RUF012
    others = {"extent": [0, 2, 8], "gather": ["conv"], "mlp": [True]}  # noqa: RUF012
    outside = ("extent", -1)
    limit = "greater than or equal to 0"


class TestWithParameters(AttentionContract):
    """GE-θ⁺."""

    module = GatherExcite
    spec = GatherExciteSpec
    narrow = {"extent": 4, "gather": "conv", "mlp": True, "reduction": 4}  # noqa: RUF012
    others = {"extent": [2, 8], "gather": ["mean"], "mlp": [False], "reduction": [2, 13]}  # noqa: RUF012
    outside = ("reduction", 0)


def gathered_means(one, e):
    """Return the mean of the `(2e - 1)^2` neighbours of every e-th position of `one` `(C, H, W)`."""
    _, height, width = one.shape
    rows, columns = (
        [[i for i in range(u * e - e + 1, u * e + e) if 0 <= i < side] for u in range(math.ceil(side / e))]
        for side in (height, width)
    )
    return np.array([[[np.mean([m[i, j] for i in r for j in c]) for c in columns] for r in rows] for m in one])


def gathered_convs(one, module, e):
    """Return `one` `(C, H, W)` after `log2 e` depthwise convs of stride 2, norms in eval mode and a ReLU between."""
    weight = {name: tensor.numpy() for name, tensor in module.convs.state_dict().items()}
    for layer in range(int(math.log2(e))):
        if layer:
            one = np.maximum(one, 0)
        channels, height, width = one.shape
        out = np.zeros((channels, math.ceil(height / 2), math.ceil(width / 2)))
        for c, u, v in np.ndindex(*out.shape):
            for i in range(3):
                for j in range(3):
                    row, column = 2 * u + i - 1, 2 * v + j - 1
                    if 0 <= row < height and 0 <= column < width:
                        out[c, u, v] += weight[f"conv{layer}.weight"][c, 0, i, j] * one[c, row, column]
            mean, variance = (weight[f"norm{layer}.running_{name}"][c] for name in ("mean", "var"))
            out[c, u, v] = (out[c, u, v] - mean) / math.sqrt(variance + 1e-5)
            out[c, u, v] = out[c, u, v] * weight[f"norm{layer}.weight"][c] + weight[f"norm{layer}.bias"][c]
        one = out
    return one


@pytest.mark.parametrize("mlp", [False, True])
@pytest.mark.parametrize(("gather", "extent"), [("mean", 0), ("mean", 2), ("mean", 4), ("conv", 2), ("conv", 8)])
def test_formula(gather, extent, mlp):
    module = GatherExcite(C, gather=gather, extent=extent, mlp=mlp, reduction=4)
    module, x = randomise(module).eval(), image(2, C, 5, 11)
    weight = {name: tensor.numpy() for name, tensor in module.mlp.state_dict().items()}
    expected = x.numpy().copy()
    for n in range(2):
        one = x[n].numpy()
        if gather == "conv":
            found = gathered_convs(one, module, extent)
        else:
            found = one.mean(axis=(1, 2))[:, None, None] if extent == 0 else gathered_means(one, extent)
        for u, v in np.ndindex(*found.shape[1:]) if mlp else ():
            inner = np.maximum(found[:, u, v], 0) if gather == "conv" else found[:, u, v]
            hidden = np.maximum(weight["down.weight"][:, :, 0, 0] @ inner + weight["down.bias"], 0)
            found[:, u, v] = weight["up.weight"][:, :, 0, 0] @ hidden + weight["up.bias"]
        rows, columns = found.shape[1:]
        for c, i, j in np.ndindex(C, 5, 11):
            expected[n, c, i, j] /= 1 + math.exp(-found[c, i * rows // 5, j * columns // 11])
    np.testing.assert_allclose(module(x).detach().numpy(), expected, rtol=0, atol=1e-12)


def test_the_mlp_on_the_mean_of_the_whole_map_is_squeeze_and_excitation():
    module, se, x = GatherExcite(C, mlp=True, reduction=4), SE(C, reduction=4), image(2, C, 5, 11).float()
    se.load_state_dict(
        {f"fc{1 + i // 2}.{n.rpartition('.')[2]}": w for i, (n, w) in enumerate(module.state_dict().items())}
    )
    torch.testing.assert_close(module(x), se(x))


THREE_CONVS = 3 * (9 * 64 + 2 * 64)
MLP = 64 * 4 + 4 + 4 * 64 + 64


@pytest.mark.parametrize(
    ("knobs", "params", "macs"),
    [
        ({}, 0, 0),
        ({"extent": 8}, 0, 0),
        ({"mlp": True}, MLP, 2 * 64 * 4),
        ({"extent": 8, "gather": "conv"}, THREE_CONVS, 9 * 64 * (3 * 4 + 2 * 2 + 1)),
        ({"extent": 8, "gather": "conv", "mlp": True}, THREE_CONVS + MLP, 9 * 64 * (3 * 4 + 2 * 2 + 1) + 2 * 64 * 4),
    ],
    ids=str,
)
def test_counts(knobs, params, macs):
    cost = count_module(GatherExcite(64, **knobs), (64, 5, 7))
    assert (cost.params, cost.macs) == (params, macs)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"extent": 1}, "GatherExcite: extent must be 0 (the whole map) or 2, 4, 8 ..., got 1"),
        ({"extent": 6}, "GatherExcite: extent must be 0 (the whole map) or 2, 4, 8 ..., got 6"),
        (
            {"gather": "conv"},
            "GatherExcite: gather='conv' with extent=0 would be a conv as large as a map whose size the module does "
            "not know; use extent=8",
        ),
        (
            {"mlp": True},
            "reduction=16: 13 channels are fewer than that and leave no hidden channel; use a reduction of at most 13",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_built_is_one_clear_error(knobs, message):
    with pytest.raises(ConfigError) as caught:
        GatherExcite(C, **knobs)
    assert str(caught.value) == message


def test_a_reduction_without_an_mlp_leaves_the_key():
    assert Run(attention=GatherExciteSpec(reduction=4)).key == Run(attention=GatherExciteSpec()).key
    with_mlp = {Run(attention=GatherExciteSpec(mlp=True, reduction=reduction)).key for reduction in (4, 16)}
    assert len(with_mlp) == 2
