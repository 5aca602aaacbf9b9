"""Maps against the formula, written out from the weights, without hooks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lightning_bam import (
    BAM,
    CBAM,
    ECA,
    SE,
    BAMSpec,
    ConfigError,
    CoordinateAttention,
    Digits,
    GatherExcite,
    GlobalContext,
    GlobalContextSpec,
    ResNet18,
    Run,
    SimAM,
    SmallResNet,
    TripletAttention,
    build,
)
from lightning_bam.inspection.field import image_reach
from lightning_bam.inspection.maps import attention_modules, maps, module_inputs
from lightning_bam.inspection.saturation import Saturation, saturation


def drawn(module):
    """Weights and running statistics of `module` drawn from a normal, in float64 and eval mode."""
    generator = torch.Generator().manual_seed(3)
    for value in module.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=generator).abs() + 0.1)
    return module.double().eval()


def normed(x, norm, dims):
    shape = [1, -1] + [1] * dims
    mean, var, weight, bias = (t.view(shape) for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias))
    return (x - mean) / (var + norm.eps).sqrt() * weight + bias


@pytest.mark.parametrize("combine", ["sum", "product", "max"])
def test_bam_equals_the_equations(combine):
    module = drawn(BAM(7, reduction=3, dilation=2, combine=combine))
    x = torch.randn(2, 7, 11, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    c, s = module.channel, module.spatial
    channel = F.relu(x.mean((2, 3)) @ c.fc0.weight.T + c.fc0.bias) @ c.fc_out.weight.T + c.fc_out.bias
    channel = normed(channel, c.norm_out, 0)
    hidden = F.relu(torch.einsum("mc,nchw->nmhw", s.conv0.weight[:, :, 0, 0], x) + s.conv0.bias[:, None, None])
    for conv in (s.conv1, s.conv2):
        hidden = F.relu(F.conv2d(hidden, conv.weight, conv.bias, padding=2, dilation=2))
    spatial = normed(F.conv2d(hidden, s.conv_out.weight, s.conv_out.bias), s.norm_out, 2)[:, 0]
    meet = {"sum": torch.add, "product": torch.mul, "max": torch.maximum}[combine]
    found = maps(module, x)
    torch.testing.assert_close(found.channel, channel, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.spatial, spatial, rtol=1e-12, atol=1e-12)
    gate = torch.sigmoid(meet(channel[:, :, None, None], spatial[:, None]))
    torch.testing.assert_close(found.gate, gate, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(module(x), x + gate * x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "module",
    [SE(7, reduction=3), CBAM(7, reduction=3, kernel_size=5), CBAM(7, reduction=3, spatial_norm=True)],
    ids=["se", "cbam", "cbam_with_a_norm"],
)
def test_the_gate_of_se_and_cbam_is_what_they_multiply_with(module):
    module = drawn(module)
    x = torch.randn(2, 7, 11, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = maps(module, x)
    torch.testing.assert_close(found.gate * x, module(x), rtol=1e-12, atol=1e-12)
    assert found.channel.shape == (2, 7)
    assert (found.spatial is None) == isinstance(module, SE)
    if found.spatial is not None:
        product = torch.sigmoid(found.channel)[:, :, None, None] * torch.sigmoid(found.spatial)[:, None]
        torch.testing.assert_close(found.gate, product)


@pytest.mark.parametrize(
    ("module", "channel"),
    [
        (ECA(7), True),
        (ECA(7, shared=False), True),
        (SimAM(7), False),
        (CoordinateAttention(7), False),
        (GlobalContext(7, reduction=3, fusion="scale"), True),
        (TripletAttention(7, kernel_size=3), False),
        (GatherExcite(7), True),
        (GatherExcite(7, extent=4, gather="conv", mlp=True, reduction=3), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_gate_is_what_the_module_multiplies_with(module, channel):
    module = drawn(module)
    x = torch.randn(2, 7, 11, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = maps(module, x)
    torch.testing.assert_close(found.gate * x, module(x), rtol=1e-12, atol=1e-12)
    assert 0 < found.gate.min() < found.gate.max() <= 1
    assert found.spatial is None
    assert (found.channel is not None) == channel
    if found.channel is not None:
        torch.testing.assert_close(found.gate, torch.sigmoid(found.channel)[:, :, None, None])


def test_the_gate_of_a_global_context_that_also_adds():
    module = drawn(GlobalContext(7, reduction=3, fusion="both"))
    x = torch.randn(2, 7, 11, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    added = module(x) - maps(module, x).gate * x
    torch.testing.assert_close(added, added[:, :, :1, :1].expand_as(added), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("branches", ["channel", "spatial"])
def test_one_branch_alone_has_one_map(branches):
    found = maps(drawn(BAM(7, reduction=3, branches=branches)), torch.ones(2, 7, 3, 5, dtype=torch.float64))
    assert (found.channel is None, found.spatial is None) == (branches == "spatial", branches == "channel")


def test_modules_are_found_by_their_layer_and_get_what_the_layer_gives():
    network = build(Run(dataset=Digits(), backbone=SmallResNet(width=4), attention=BAMSpec(reduction=4))).eval()
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert list(attention_modules(network)) == ["layer1", "layer2"]
    inputs, outputs = module_inputs(network, images)
    x = network.layer1[0](F.relu(network.bn1(network.conv1(images))))
    torch.testing.assert_close(inputs["layer1"], x)
    torch.testing.assert_close(inputs["layer2"], network.layer2[0](network.layer1.attention(x)))
    torch.testing.assert_close(outputs, network(images))


@pytest.mark.parametrize("attention", [None, GlobalContextSpec(reduction=2)], ids=["none", "one_that_adds"])
def test_a_network_without_a_gate_is_refused(attention):
    with pytest.raises(ConfigError, match="holds no attention module with a gate"):
        attention_modules(build(Run(dataset=Digits(), backbone=SmallResNet(width=4), attention=attention)))


def test_saturation_of_a_gate_made_by_hand():
    counted = Saturation()
    counted.add(torch.tensor([[0.0, 0.04], [0.05, 0.5]]))
    counted.add(torch.tensor([0.95, 0.96, 1.0, 0.5]))
    numbers = counted.numbers()
    assert (numbers["n_values"], numbers["low"], numbers["high"], numbers["saturated"]) == (8, 2 / 8, 2 / 8, 4 / 8)
    assert numbers["mean"] == pytest.approx(0.5, abs=1e-7)
    shares = counted.histogram().tolist()
    assert (shares[:3], shares[25], shares[47:]) == ([1 / 8] * 3, 2 / 8, [2 / 8, 0.0, 1 / 8])


def test_saturation_skips_no_image_and_takes_the_statistics_that_it_is_told():
    network = build(Run(dataset=Digits(), backbone=SmallResNet(width=4), attention=BAMSpec(reduction=4)))
    images = torch.randn(65, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    running = saturation(network, images, batch_statistics=False)
    batch = saturation(network, images, batch_statistics=True)
    assert running["layer1"].n == batch["layer1"].n == 65 * 4 * 8 * 8
    assert running["layer1"].sum != batch["layer1"].sum


def test_kaiming_starts_saturated_and_torch_does_not():
    """bam-facts, section 5: with norms inside only, kaiming's fan_out of 1 saturates the sum; 8 images, 3 seeds.

    At 32 px, n = 3 seeds: ResNet50 45-78 % a module (facts: 29-77 %), ResNet18 2-54 %; torch's init 0.0 % in each.
    """
    images = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    shares = {}
    for init in ("kaiming", "torch"):
        runs = [
            Run(backbone=ResNet18(width=64), attention=BAMSpec(norm="hidden", init=init), seed=seed)
            for seed in range(3)
        ]
        found = [saturation(build(run), images, batch_statistics=True) for run in runs]
        shares[init] = [one.numbers()["saturated"] for each in found for one in each.values()]
    assert len(shares["torch"]) == 9
    assert max(shares["torch"]) < 0.01
    assert min(shares["kaiming"]) > 0.02
    assert sum(shares["kaiming"]) / 9 > 0.15


def test_saturated_ends_are_counted_in_the_gate_of_a_network():
    network = build(Run(dataset=Digits(), backbone=SmallResNet(width=4), attention=BAMSpec(reduction=4))).eval()
    last = network.layer1.attention.spatial.norm_out
    nn.init.constant_(last.bias, 50.0)
    counted = saturation(network, torch.zeros(2, 1, 8, 8), batch_statistics=False)
    assert counted["layer1"].numbers()["high"] == 1


def test_a_norm_on_the_maps_shows_what_all_channels_see():
    module = drawn(BAM(7, reduction=3, dilation=2, norm="maps"))
    x = torch.randn(2, 7, 11, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = maps(module, x)
    mean = module.logits(x).mean(dim=1) - found.channel.mean(dim=1)[:, None, None]
    torch.testing.assert_close(found.spatial, mean, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("norm", ["ends", "maps"])
def test_the_field_on_the_image_does_not_depend_on_where_the_norms_stand(norm):
    network = build(Run(dataset=Digits(), backbone=SmallResNet(width=4), attention=BAMSpec(reduction=2, norm=norm)))
    assert image_reach(network, "layer1", (1, 64, 64)) == (23, 23)
