"""Any attention module of timm: its values, and one line for what it does not take."""

import pytest
import torch

from lightning_bam import ConfigError, ResNet18, Run, TimmAttention, build, count
from lightning_bam.attention import build_attention
from lightning_bam.attention.timm import NAMES
from lightning_bam.config import flatten, with_settings

timm_layers = pytest.importorskip("timm.layers")
timm = pytest.importorskip("timm")
WANTING = {"lambda", "bottleneck", "halo", "bat", "ge"}
"""These want arguments or a size of map of their own; `ge` (timm 1.0.31) is made only with `use_mlp=False`."""


@pytest.mark.parametrize(
    ("name", "arguments"), [("eca", {}), ("se", {"rd_ratio": 0.5}), ("cbam", {"spatial_kernel_size": 5})]
)
def test_it_computes_what_timm_s_module_does(name, arguments):
    torch.manual_seed(3)
    ours = build_attention(TimmAttention(name=name, arguments=arguments), 13).double()
    theirs = timm_layers.create_attn(name, 13, **arguments).double()
    theirs.load_state_dict({key.removeprefix("module."): value for key, value in ours.state_dict().items()})
    x = torch.randn(3, 13, 5, 7, dtype=torch.float64)
    assert torch.equal(ours(x), theirs(x))
    assert not torch.allclose(ours(x), x)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WANTING])
def test_every_name_is_known_and_keeps_the_shape(name):
    module = build_attention(TimmAttention(name=name), 16)
    assert module(torch.randn(2, 16, 6, 8)).shape == (2, 16, 6, 8)


def test_its_arguments_are_set_by_name_and_part_of_the_key():
    run = with_settings(Run(), {"attention": "timm", "attention.name": "se", "attention.arguments.rd_ratio": "0.25"})
    assert run == Run(attention=TimmAttention(name="se", arguments={"rd_ratio": 0.25}))
    assert flatten(run)["attention.arguments.rd_ratio"] == 0.25
    assert run.key != Run(attention=TimmAttention(name="se")).key
    # 16 and 32 channels, a quarter of them hidden and at least 8, each with a bias: c h + h + h c + c
    plain = count(Run()).params
    assert count(run).params - plain == (16 * 8 * 2 + 8 + 16) + (32 * 8 * 2 + 8 + 32)


def refusal(run):
    with pytest.raises(ConfigError) as caught:
        build(run)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_it_does_not_take_is_one_line():
    assert refusal(Run(attention=TimmAttention(name="ekka"))) == (
        f"layer 'layer1': attention.name=ekka: timm {timm.__version__} has no attention of that name; "
        "did you mean 'ela'?"
    )
    assert refusal(Run(attention=TimmAttention(name="se", arguments={"ratio": 0.5}))) == (
        "layer 'layer1': attention=timm se: not made for 16 channels: TypeError: SEModule.__init__() got an unexpected "
        "keyword argument 'ratio'"
    )
    assert refusal(Run(backbone=ResNet18(width=8), attention=TimmAttention(name="halo"))).startswith(
        "attention=timm halo: does not take images of 3 x 24 x 24: "
    )
