"""BAM beyond what every attention module promises: range, hand-worked values, initial weights, counts."""

import math

import pytest
import torch
from torch import nn

from lightning_bam import BAM, RELEASED_BAM, BAMSpec
from lightning_bam.attention import build_attention
from tests.lightning_bam.attention.contract import C, ReductionContract, image, randomise


class TestBAM(ReductionContract):
    module = BAM
    spec = BAMSpec
    others = {  # noqa: RUF012
        "reduction": [2, 13],
        "dilation": [1, 2, 3],
        "combine": ["product", "max"],
        "branches": ["channel", "spatial"],
        "norm": ["hidden", "both", "maps"],
        "activation": ["none"],
        "dilated_convs": [0, 1, 3],
        "channel_layers": [2, 3],
        "residual": [False],
        "init": ["kaiming", "zero"],
    }

    def hidden(self, module):
        assert module.channel.fc0.out_features == module.spatial.conv0.out_channels
        return module.spatial.conv0.out_channels


def by_hand(combine):
    """C = 2, m = 2, one 3x3 conv of dilation 1; each norm the identity.

    x0 = [0 1 2] in both rows, x1 = 3 everywhere.
    channel: GAP = (1, 3), hidden relu(1 * 1, -1 * 3 + 1) = (1, 0), s_c = (2 * 1 + 0.5, -1 * 1) = (2.5, -1)
    spatial: the box sum of x0 is [2 6 6] in both rows, s_s = 0.5 * that - 2 = [-1 1 1]
    """
    bam = BAM(2, reduction=1, dilation=1, dilated_convs=1, combine=combine).double().eval()
    weights = {
        "channel.fc0.weight": [[1, 0], [0, -1]],
        "channel.fc0.bias": [0, 1],
        "channel.fc_out.weight": [[2, 5], [-1, 7]],
        "channel.fc_out.bias": [0.5, 0],
        "spatial.conv0.weight": [[1, 0], [0, 1]],
        "spatial.conv0.bias": [0, 0],
        "spatial.conv1.weight": [[[1] * 9, [0] * 9], [[0] * 9, [0] * 9]],
        "spatial.conv1.bias": [0, 0],
        "spatial.conv_out.weight": [0.5, 3],
        "spatial.conv_out.bias": [-2],
        "channel.norm_out.running_var": [1 - 1e-5] * 2,
        "spatial.norm_out.running_var": [1 - 1e-5],
    }
    state = bam.state_dict()
    for name, value in weights.items():
        state[name].copy_(torch.tensor(value, dtype=torch.float64).reshape(state[name].shape))
    x = torch.tensor([[[[0, 1, 2]] * 2, [[3, 3, 3]] * 2]], dtype=torch.float64)
    return bam, x


@pytest.mark.parametrize(
    ("combine", "logits"),
    [
        ("sum", [[1.5, 3.5, 3.5], [-2, 0, 0]]),
        ("product", [[-2.5, 2.5, 2.5], [1, -1, -1]]),
        ("max", [[2.5, 2.5, 2.5], [-1, 1, 1]]),
    ],
)
def test_logits_by_hand(combine, logits):
    bam, x = by_hand(combine)
    expected = torch.tensor(logits, dtype=torch.float64)[None, :, None, :].expand(1, 2, 2, 3)
    torch.testing.assert_close(bam.logits(x), expected, rtol=0, atol=1e-12)


def test_output_by_hand():
    bam, x = by_hand("sum")
    first = [0, 1.9706877692486436, 2 * 1.9706877692486436]  # sigmoid(3.5) = 0.97069
    second = [3 * 1.1192029220221176, 4.5, 4.5]  # sigmoid(-2) = 0.11920
    expected = torch.tensor([[[first] * 2, [second] * 2]], dtype=torch.float64)
    torch.testing.assert_close(bam(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("convs", "dilation"), [(0, 4), (1, 1), (1, 5), (2, 1), (2, 2), (2, 4), (3, 2)])
def test_one_pixel_of_the_spatial_map_sees_two_k_d_plus_one_squared(convs, dilation):
    bam = BAM(2, reduction=1, dilation=dilation, dilated_convs=convs, branches="spatial", activation="none")
    with torch.no_grad():
        for p in bam.parameters():
            p.fill_(1)
    x = torch.zeros(1, 2, 31, 37, requires_grad=True)
    bam.eval().logits(x)[0, 0, 14, 17].backward()
    reach, side = convs * dilation, 2 * convs * dilation + 1
    expected = torch.zeros(31, 37, dtype=torch.bool)
    expected[14 - reach : 15 + reach : dilation, 17 - reach : 18 + reach : dilation] = True
    rows, columns = (x.grad[0, 0] != 0).nonzero(as_tuple=True)
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (side, side)
    assert torch.equal(x.grad[0, 0] != 0, expected)


@pytest.mark.parametrize("size", [(3, 3), (4, 9), (1, 7)])
def test_the_spatial_map_does_not_collapse(size):
    # a public trap: without padding = dilation it shrinks to one value, which broadcasting then hides
    bam = randomise(BAM(C, reduction=4, branches="spatial")).eval()
    logits = bam.logits(image(2, C, *size))
    assert logits.shape == (2, 1, *size)
    assert logits.flatten(1).std(dim=1).min() > 1e-3


def test_without_residual_the_input_is_missing_from_the_output():
    x = image(2, C, 5, 7)
    with_x, without = (randomise(BAM(C, reduction=4, residual=r)).eval()(x) for r in (True, False))
    torch.testing.assert_close(with_x - without, x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("branches", ["both", "channel", "spatial"])
@pytest.mark.parametrize("norm", ["ends", "hidden", "both", "maps"])
@pytest.mark.parametrize("combine", ["sum", "max"])
def test_zero_init_starts_as_one_and_a_half_times_the_input(branches, norm, combine):
    bam = BAM(C, reduction=4, init="zero", branches=branches, norm=norm, combine=combine)
    x = image(3, C, 5, 7).float()
    assert torch.equal(bam(x), 1.5 * x)


def test_zero_init_learns():
    bam = BAM(C, reduction=4, init="zero")
    bam(image(3, C, 5, 7).float()).square().sum().backward()
    for branch in (bam.channel, bam.spatial):
        assert branch.norm_out.weight.grad.any()


def test_kaiming_init_is_normal_with_variance_two_over_fan_out():
    torch.manual_seed(0)
    bam = BAM(1024, reduction=8, init="kaiming")
    fans = {"conv0": 128, "conv1": 9 * 128, "conv2": 9 * 128, "conv_out": 1}
    for name, fan_out in fans.items():
        weight = bam.spatial.get_submodule(name).weight
        std = math.sqrt(2 / fan_out)
        # the standard error of a standard deviation of n draws is std / sqrt(2 n); five of them
        assert abs(weight.std().item() - std) < 5 * std / math.sqrt(2 * weight.numel())
        assert abs(weight.mean().item()) < 5 * std / math.sqrt(weight.numel())


def test_kaiming_init_leaves_the_channel_branch_and_biases():
    made = {}
    for init in ("torch", "kaiming"):
        torch.manual_seed(0)
        made[init] = BAM(C, reduction=4, init=init).state_dict()
    changed = {name for name in made["torch"] if not torch.equal(made["torch"][name], made["kaiming"][name])}
    assert changed == {f"spatial.{conv}.weight" for conv in ("conv0", "conv1", "conv2", "conv_out")}


def test_the_released_structure_layer_by_layer():
    bam = build_attention(RELEASED_BAM, 32)
    channel = ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    spatial = ["Conv2d", "BatchNorm2d", "ReLU"] * 3 + ["Conv2d"]
    assert [type(layer).__name__ for layer in bam.channel] == channel
    assert [type(layer).__name__ for layer in bam.spatial] == spatial
    assert all(layer.bias is not None for layer in bam.modules() if isinstance(layer, nn.Conv2d))
    assert bam.combine == "product"
