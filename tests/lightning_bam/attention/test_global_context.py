"""Global context: its contract, its formula as loops, its start and the paper's counts."""

import math

import numpy as np
import pytest
import torch

from lightning_bam import (
    ConfigError,
    GlobalContext,
    GlobalContextSpec,
    ImageNet,
    ResNet50,
    Run,
    build,
    count_module,
    insert,
)
from tests.lightning_bam.attention.contract import C, ReductionContract, image, randomise


class TestGlobalContext(ReductionContract):
    module = GlobalContext
    spec = GlobalContextSpec
    others = {  # noqa: RUF012
        "reduction": [2, 5],
        "pooling": ["average"],
        "fusion": ["scale", "both"],
        "hidden_norm": [False],
        "released_init": [True],
    }

    def hidden(self, module):
        return module.add[0].out_features

    def test_as_many_channels_as_the_reduction_is_one_hidden_channel(self):
        assert self.hidden(self.module(7, reduction=7, hidden_norm=False)) == 1
        with pytest.raises(ConfigError) as caught:
            self.module(7, reduction=7)
        assert str(caught.value) == (
            "reduction=7: of 7 channels it leaves one, which its layer norm makes a constant; "
            "use a reduction of at most 3, or hidden_norm=False"
        )


class TestGlobalContextThatScales(TestGlobalContext):
    narrow = {"reduction": 4, "fusion": "both"}  # noqa: RUF012
    others = TestGlobalContext.others | {"fusion": ["scale", "add"]}


@pytest.mark.parametrize("pooling", ["attention", "average"])
@pytest.mark.parametrize("fusion", ["add", "scale", "both"])
@pytest.mark.parametrize("hidden_norm", [True, False])
def test_formula(pooling, fusion, hidden_norm):
    module = GlobalContext(C, reduction=4, pooling=pooling, fusion=fusion, hidden_norm=hidden_norm)
    module, x = randomise(module), image(2, C, 3, 7)
    weight = {name: tensor.numpy() for name, tensor in module.state_dict().items()}

    def transform(z, name):
        hidden = weight[f"{name}.0.weight"] @ z + weight[f"{name}.0.bias"]
        if hidden_norm:
            mean = sum(hidden) / 3
            variance = sum((v - mean) ** 2 for v in hidden) / 3
            hidden = (hidden - mean) / math.sqrt(variance + 1e-5) * weight[f"{name}.1.weight"] + weight[
                f"{name}.1.bias"
            ]
        last = f"{name}.{3 if hidden_norm else 2}"
        return weight[f"{last}.weight"] @ np.maximum(hidden, 0) + weight[f"{last}.bias"]

    expected = x.numpy().copy()
    for n in range(2):
        positions = [x[n, :, i, j].numpy() for i in range(3) for j in range(7)]
        shares = (
            [1.0] * 21
            if pooling == "average"
            else [math.exp(weight["weigh.weight"][0, :, 0, 0] @ p) for p in positions]
        )
        z = sum(share * position for share, position in zip(shares, positions, strict=True)) / sum(shares)
        for c in range(C):
            if fusion != "add":
                expected[n, c] /= 1 + math.exp(-transform(z, "scale")[c])
            if fusion != "scale":
                expected[n, c] += transform(z, "add")[c]
    np.testing.assert_allclose(module(x).detach().numpy(), expected, rtol=0, atol=1e-12)


def test_the_released_start_is_the_identity_and_learns():
    torch.manual_seed(0)
    module, x = GlobalContext(512, released_init=True), image(2, 512, 3, 7).float()
    assert torch.equal(module(x), x)
    assert module.weigh.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.1)
    assert module.weigh.weight.abs().max() > (6 / 512) ** 0.5, "the bound of a uniform one"
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    before = {name: weight.detach().clone() for name, weight in module.named_parameters()}
    for _ in range(2):  # the first step moves the last layer alone
        optimizer.zero_grad()
        module(x).square().mean().backward()
        optimizer.step()
    assert [name for name, weight in module.named_parameters() if torch.equal(weight, before[name])] == []
    scaled = GlobalContext(512, fusion="scale", released_init=True)
    torch.testing.assert_close(scaled(x), x / 2)


@pytest.mark.parametrize(
    ("layers", "printed"),
    [
        ([], "25.56"),
        (["layer3.4"], "25.69"),
        ([f"layer{s}.{block}" for s, blocks in ((2, 4), (3, 6), (4, 3)) for block in range(blocks)], "28.08"),
    ],
    ids=["plain", "+1 GC", "+all GC"],
)
def test_the_paper_s_resnet50(layers, printed):
    """Table 6 of the paper, ImageNet: one block before the last of c4, and one in each block of c3 to c5."""
    with torch.device("meta"):
        network = build(Run(dataset=ImageNet(), backbone=ResNet50(stem="imagenet")))
        for layer in layers:
            insert(network, GlobalContextSpec(), at=layer, input_shape=(3, 64, 64))
    assert f"{sum(weight.numel() for weight in network.parameters()) / 1e6:.2f}" == printed


@pytest.mark.parametrize(
    ("knobs", "params", "macs"),
    [
        ({}, 64 + 64 * 4 + 4 + 2 * 4 + 4 * 64 + 64, 2 * 64 * 35 + 2 * 64 * 4),
        ({"pooling": "average", "hidden_norm": False}, 64 * 4 + 4 + 4 * 64 + 64, 2 * 64 * 4),
        ({"fusion": "both"}, 64 + 2 * (64 * 4 + 4 + 2 * 4 + 4 * 64 + 64), 2 * 64 * 35 + 4 * 64 * 4),
    ],
    ids=str,
)
def test_counts(knobs, params, macs):
    cost = count_module(GlobalContext(64, **knobs), (64, 5, 7))
    assert (cost.params, cost.macs) == (params, macs)
