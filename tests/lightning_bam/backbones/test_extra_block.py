"""The extra block of table 1c: one more block of the network's own kind, where attention would stand."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from lightning_bam import AfterStages, BAMSpec, ConfigError, ExtraBlockSpec, MobileNet, Run, SmallResNet, insert
from lightning_bam.network import build
from tests.lightning_bam.backbones.tiny import TINY

KINDS = [kind for kind in TINY if kind not in ("densenet_bc", "squeezenet1_1")]


def longer(kind, seed=3, **knobs):
    return build(Run(backbone=TINY[kind], attention=ExtraBlockSpec(), seed=seed, **knobs))


@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_with_it_is_a_stage_with_one_block_more(kind):
    network = longer(kind).eval()
    for name in network.bottlenecks:
        stage = network.get_submodule(name)
        extra, before = stage[-1], stage[-2]
        assert type(extra) is type(before)
        assert [key for key in before.state_dict() if "downsample" not in key] == list(extra.state_dict())
    x = torch.randn(2, 3, 16, 16)
    plain = deepcopy(network)
    for name in network.bottlenecks:
        extra = plain.get_submodule(name)[-1]
        plain.get_submodule(name)[-1] = nn.Identity()
        plain.get_submodule(name).register_forward_hook(lambda m, i, out, extra=extra: extra(out))
    torch.testing.assert_close(network(x), plain(x))


@pytest.mark.parametrize("kind", [*KINDS, "squeezenet1_1"])
def test_it_starts_from_the_same_backbone_and_draws_weights_of_its_own(kind):
    plain = build(Run(backbone=TINY[kind], seed=3)).state_dict()
    state = longer(kind).state_dict()
    assert [name for name, value in plain.items() if not torch.equal(state[name], value)] == []
    assert all(".attention." in name for name in set(state) - set(plain))
    first = longer(kind, placement=AfterStages(stages=(1,))).state_dict()
    other = longer(kind, seed=4).state_dict()
    drawn = [name for name in set(first) - set(plain) if state[name].dim() == 4]
    assert drawn
    assert all(torch.equal(first[name], state[name]) for name in first)
    assert not any(torch.equal(other[name], state[name]) for name in drawn)


def test_convs_are_drawn_as_the_networks_are():
    wide = build(Run(backbone=SmallResNet(width=64), attention=ExtraBlockSpec()))
    for conv in (wide.layer2.attention.conv1, wide.layer2.attention.conv2):
        assert conv.weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    separable = build(Run(backbone=MobileNet(), attention=ExtraBlockSpec())).layer2.attention
    assert separable.conv2.weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.02)


def test_no_other_model_has_one():
    with pytest.raises(ConfigError) as caught:
        insert(nn.Sequential(nn.Conv2d(3, 4, 1)), ExtraBlockSpec(), at="0")
    assert str(caught.value) == (
        "layer '0': extra_block: only a backbone of this package knows its own kind of block; use build(run)"
    )


def test_it_is_another_run_than_attention():
    assert Run(attention=ExtraBlockSpec()).key != Run(attention=BAMSpec()).key
