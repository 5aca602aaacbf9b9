"""SE and CBAM: their contracts and their formulas."""

import pytest
import torch
import torch.nn.functional as F

from lightning_bam import CBAM, CIFAR100, SE, CBAMSpec, EveryBlock, ResNet50, Run, SESpec, count, count_module
from tests.lightning_bam.attention.contract import C, ReductionContract, image, randomise


class TestSE(ReductionContract):
    module = SE
    spec = SESpec
    others = {"reduction": [2, 13]}  # noqa: RUF012

    def hidden(self, module):
        return module.fc1.out_channels


class TestCBAM(ReductionContract):
    module = CBAM
    spec = CBAMSpec
    others = {"reduction": [2, 13], "kernel_size": [1, 3, 9], "spatial_norm": [True]}  # noqa: RUF012

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


def test_cbam_with_the_released_code_s_norm():
    cbam, x = randomise(CBAM(C, reduction=4, spatial_norm=True)).eval(), image(3, C, 5, 11).requires_grad_()
    w1, b1, w2, b2, conv, weight, bias = cbam.parameters()

    def mlp(v):
        return F.linear(F.relu(F.linear(v, w1, b1)), w2, b2)

    refined = x * torch.sigmoid(mlp(x.mean((2, 3))) + mlp(x.flatten(2).max(2).values))[:, :, None, None]
    pooled = torch.stack([refined.mean(1), refined.max(1).values], dim=1)
    logits = F.conv2d(F.pad(pooled, [3] * 4), conv)
    normed = (logits - cbam.norm.running_mean) / (cbam.norm.running_var + 1e-5).sqrt() * weight + bias
    check(cbam, refined * torch.sigmoid(normed), x)


@pytest.mark.parametrize(("spatial_norm", "params"), [(False, 26_237_812), (True, 26_237_844)])
def test_the_released_cbam_resnet50_s_parameters(spatial_norm, params):
    """ResNet50 on CIFAR-100, CBAM in each of its 16 blocks: released code, a batch norm's two parameters in each."""
    attention = CBAMSpec(spatial_norm=spatial_norm)
    run = Run(dataset=CIFAR100(), backbone=ResNet50(), attention=attention, placement=EveryBlock())
    assert count(run).params == params


@pytest.mark.parametrize(("module", "params"), [(SE, 2 * 64 * 4 + 4 + 64), (CBAM, 2 * 64 * 4 + 4 + 64 + 2 * 49)])
def test_parameters(module, params):
    assert count_module(module(64), (64, 5, 7)).params == params
