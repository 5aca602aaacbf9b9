"""SE and CBAM: their contracts and their formulas."""

import pytest
import torch
import torch.nn.functional as F

from lightning_bam import CBAM, SE, CBAMSpec, SESpec, count_module
from tests.attention.contract import AttentionContract, C, image, randomise


class TestSE(AttentionContract):
    module = SE
    spec = SESpec
    others = {"reduction": [2, 13]}  # noqa: RUF012

    def hidden(self, module):
        return module.fc1.out_channels


class TestCBAM(AttentionContract):
    module = CBAM
    spec = CBAMSpec
    others = {"reduction": [2, 13], "kernel_size": [1, 3, 9]}  # noqa: RUF012

    def hidden(self, module):
        return module.channel[0].out_features


def check(module, expected, x):
    y = module(x)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    leaves, cotangent = [x, *module.parameters()], image(*y.shape, seed=2)
    for got, wanted in zip(
        torch.autograd.grad(y, leaves, cotangent), torch.autograd.grad(expected, leaves, cotangent), strict=True
    ):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [(7, 7), (5, 11)], ids=str)
def test_se_formula(size):
    se, x = randomise(SE(C, reduction=4)), image(3, C, *size).requires_grad_()
    w1, b1, w2, b2 = (p.flatten(1) if p.dim() > 1 else p for p in se.parameters())
    gate = torch.sigmoid(F.linear(F.relu(F.linear(x.mean((2, 3)), w1, b1)), w2, b2))
    check(se, x * gate[:, :, None, None], x)


@pytest.mark.parametrize("size", [(7, 7), (5, 11)], ids=str)
@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_cbam_formula(size, kernel):
    cbam, x = randomise(CBAM(C, reduction=4, kernel_size=kernel)), image(3, C, *size).requires_grad_()
    w1, b1, w2, b2, conv = cbam.parameters()

    def mlp(v):
        return F.linear(F.relu(F.linear(v, w1, b1)), w2, b2)

    refined = x * torch.sigmoid(mlp(x.mean((2, 3))) + mlp(x.flatten(2).max(2).values))[:, :, None, None]
    pooled = torch.stack([refined.mean(1), refined.max(1).values], dim=1)
    check(cbam, refined * torch.sigmoid(F.conv2d(F.pad(pooled, [kernel // 2] * 4), conv)), x)


@pytest.mark.parametrize(("module", "params"), [(SE, 2 * 64 * 4 + 4 + 64), (CBAM, 2 * 64 * 4 + 4 + 64 + 2 * 49)])
def test_parameters(module, params):
    assert count_module(module(64), (64, 5, 7)).params == params
