"""ECA: its contract, its formula as loops, its kernel size and the paper's count."""

import math

import numpy as np
import pytest

from lightning_bam import ECA, ConfigError, ECASpec, EveryBlock, ImageNet, ResNet50, Run, count, count_module
from lightning_bam.attention.eca import nearest_odd
from tests.lightning_bam.attention.contract import AttentionContract, C, image, randomise


class TestECA(AttentionContract):
    module = ECA
    spec = ECASpec
    others = {"k_size": [1, 5, 7], "shared": [False]}  # noqa: RUF012
    outside = ("k_size", -1)
    limit = "greater than or equal to 0"


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_formula(k, shared):
    eca, x = randomise(ECA(C, k_size=k, shared=shared)), image(3, C, 5, 11)
    weights = eca.conv.weight.detach().numpy().reshape(-1, k)  # one row, or one for each channel
    expected = x.numpy().copy()
    for n in range(3):
        means = [np.mean(x[n, c].numpy()) for c in range(C)]
        for c in range(C):
            row = weights[0 if shared else c]
            near = [(j, c + j - k // 2) for j in range(k)]
            logit = sum(row[j] * means[other] for j, other in near if 0 <= other < C)
            expected[n, c] /= 1 + math.exp(-logit)
    np.testing.assert_allclose(eca(x).detach().numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("channels", "k"),
    [(1, 1), (4, 1), (8, 3), (13, 3), (64, 3), (127, 3), (128, 5), (256, 5), (512, 5), (1024, 5), (2048, 7)],
)
def test_kernel_size_follows_the_channels(channels, k):
    assert ECA(channels).conv.kernel_size == (k,)


def test_nearest_odd():
    for tenths in range(1, 100):
        value = tenths / 10
        assert nearest_odd(value) == max(range(1, 13, 2), key=lambda odd: (-abs(odd - value), odd))


def test_the_paper_s_80_parameters_of_resnet50():
    """The paper prints 80; its function of the channels gives 86, the kernel sizes of the released weights 80."""
    plain = Run(dataset=ImageNet(), backbone=ResNet50(stem="imagenet"))
    attended = Run(dataset=ImageNet(), backbone=plain.backbone, attention=ECASpec(), placement=EveryBlock())
    assert count(attended).params - count(plain).params == 3 * 5 + 4 * 5 + 6 * 5 + 3 * 7
    stages = [(3, 256, 3), (4, 512, 5), (6, 1024, 5), (3, 2048, 7)]  # blocks, channels, k
    assert sum(n * count_module(ECA(c, k_size=k), (c, 7, 7)).params for n, c, k in stages) == 80


@pytest.mark.parametrize(("shared", "params"), [(True, 3), (False, 3 * 64)])
def test_counts(shared, params):
    cost = count_module(ECA(64, shared=shared), (64, 5, 7))
    assert (cost.params, cost.macs) == (params, 3 * 64)


def test_an_even_kernel_has_no_middle():
    with pytest.raises(ConfigError) as caught:
        ECA(64, k_size=4)
    assert str(caught.value) == "ECA: k_size must be odd, or 0 for the paper's function of the channels, got 4"
