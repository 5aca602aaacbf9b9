"""Networks of torchvision and timm by name: theirs in every value, with one line for what they do not take."""

import sys
from dataclasses import replace

import pytest
import torch
import torchvision
from torch import nn
from torchvision import models

from lightning_bam import (
    CIFAR10,
    AtLayers,
    BAMSpec,
    ClutteredDigits,
    ConfigError,
    Digits,
    ImageNet,
    ResNet18,
    Run,
    SESpec,
    Timm,
    TimmAttention,
    Torchvision,
    build,
    count,
)
from lightning_bam.backbones.layers import SharedDropout, SharedStochasticDepth
from lightning_bam.config import with_settings
from lightning_bam.random_streams import seeded
from lightning_bam.run_folder.provenance import packages
from lightning_bam.training.image_module import memory_format

CPU = torch.device("cpu")
SMALL = Torchvision(name="mobilenet_v3_small")
FAMILIES = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "maxvit_t", "mnasnet0_5", "mobilenet_v2"),
    *("regnet_x_400mf", "resnet50", "shufflenet_v2_x0_5", "squeezenet1_0", "swin_t", "vgg11_bn", "vit_b_16"),
)


def refusal(run):
    with pytest.raises(ConfigError) as caught:
        build(run)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def images(shape, count=3):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(5))


def attention_places(network):
    return [name.removesuffix(".attention") for name, _ in network.named_modules() if name.endswith(".attention")]


@pytest.mark.parametrize("name", FAMILIES)
def test_counts_are_those_that_torchvision_publishes(name):
    meta = models.get_model_weights(name).DEFAULT.meta
    size = meta["min_size"][0] if name in ("maxvit_t", "vit_b_16") else 224
    cost = count(Run(dataset=ImageNet(resolution=max(size, 224)), backbone=Torchvision(name=name)))
    assert cost.params == meta["num_params"]
    if name not in ("maxvit_t", "swin_t", "vit_b_16"):  # whose published figure leaves out the products of attention
        assert cost.macs / 1e9 == pytest.approx(meta["_ops"], abs=6e-4)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_it_computes_what_torchvision_s_does(training):
    ours = build(Run(backbone=SMALL, seed=3)).train(training)
    theirs = models.mobilenet_v3_small(num_classes=10).train(training)
    theirs.load_state_dict(ours.state_dict())
    assert type(ours.classifier[2]) is SharedDropout
    with torch.no_grad():
        with seeded(7, CPU):
            expected = theirs(images((3, 37, 41)))
        with seeded(7, CPU):
            torch.testing.assert_close(ours(images((3, 37, 41))), expected)


@pytest.mark.parametrize("backbone", [SMALL, Timm(name="test_efficientnet"), Timm(name="test_vit")], ids=str)
def test_every_variant_starts_from_the_same_weights_whatever_was_drawn_before(backbone):
    if isinstance(backbone, Timm):
        pytest.importorskip("timm")
    layers = ("features.3", "features.8") if backbone is SMALL else ("blocks.0", "blocks.2")
    run = Run(dataset=ClutteredDigits(size=32), backbone=backbone, seed=3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    plain = build(run).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    specs = () if backbone.name == "test_vit" else (BAMSpec(reduction=2), SESpec(reduction=2))  # which gives tokens
    for run_of in (run, *(replace(run, attention=spec, placement=AtLayers(layers=layers)) for spec in specs)):
        state = build(run_of).state_dict()
        assert [name for name, value in plain.items() if not torch.equal(state[name], value)] == []
        assert {name.partition(".attention.")[0] for name in set(state) - set(plain)} <= set(layers)
    assert not all(torch.equal(value, plain[name]) for name, value in build(replace(run, seed=4)).state_dict().items())


def test_ranks_drop_images_and_entries_as_one_with_the_whole_batch(monkeypatch):
    network = build(Run(dataset=CIFAR10(), backbone=Torchvision(name="efficientnet_b0")))
    depth = [module for module in network.modules() if isinstance(module, SharedStochasticDepth)]
    assert len(depth) == 16
    assert depth[-1].p == pytest.approx(0.2 * 15 / 16)
    x = images((5, 3, 3), count=8) + 9
    with seeded(7, CPU):
        whole = depth[-1](x)
    kept = whole.flatten(1).any(1)
    assert 0 < kept.sum() < 8
    torch.testing.assert_close(whole[kept], x[kept] / (1 - depth[-1].p))
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    shares = []
    for rank in (0, 1):
        monkeypatch.setattr("torch.distributed.get_rank", lambda rank=rank: rank)
        with seeded(7, CPU):
            shares.append(depth[-1](x[4 * rank : 4 * rank + 4]))
    assert torch.equal(torch.cat(shares), whole)
    assert torch.equal(depth[-1].eval()(x), x)


def test_grey_images_change_the_first_convolution_alone():
    grey, colour = (build(Run(dataset=data, backbone=SMALL)) for data in (Digits(), ClutteredDigits()))
    first = grey.features[0][0]
    assert (first.in_channels, first.out_channels, first.kernel_size, first.stride) == (1, 16, (3, 3), (2, 2))
    assert (first.padding, first.bias) == ((1, 1), None)
    others = {name: value for name, value in colour.state_dict().items() if name != "features.0.0.weight"}
    assert [name for name, value in others.items() if not torch.equal(grey.state_dict()[name], value)] == []
    assert grey.eval()(images((1, 8, 8))).shape == (3, 10)


def test_a_vision_transformer_is_of_the_images_size():
    run = Run(dataset=ClutteredDigits(size=48), backbone=Torchvision(name="vit_b_16"))
    with torch.device("meta"):
        assert build(run).encoder.pos_embedding.shape == (1, 1 + 3 * 3, 768)
    message = refusal(replace(run, dataset=ClutteredDigits(size=40)))
    assert (
        message
        == "backbone=torchvision vit_b_16: cannot be made so: AssertionError: Input shape indivisible by patch size!"
    )


def test_auxiliary_classifiers_are_left_out():
    network = build(Run(backbone=Torchvision(name="googlenet")))
    assert network.aux1 is None
    assert network.train()(images((3, 24, 24))).shape == (3, 10)


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ("backbone=torchvision backbone.name=resnet18", ["layer1", "layer2", "layer3"]),
        ("backbone=torchvision backbone.name=resnet18 placement.stages=2,4", ["layer2", "layer4"]),
        (
            "backbone=torchvision backbone.name=mobilenet_v3_small placement=at_layers "
            "placement.layers=features.3,features.8",
            ["features.3", "features.8"],
        ),
        ("backbone=timm backbone.name=resnet18", ["layer1", "layer2", "layer3"]),
        ("backbone=timm backbone.name=test_convnext dataset=cifar10", ["stages.0", "stages.1", "stages.2"]),
        ("backbone=timm backbone.name=test_convnext dataset=cifar10 placement.stages=4", ["stages.3"]),
        ("backbone=timm backbone.name=test_byobnet", ["stem", "stages.0", "stages.1", "stages.2"]),
    ],
)
def test_places(words, places):
    if "timm" in words:
        pytest.importorskip("timm")
    settings = dict(word.split("=") for word in words.split())
    run = with_settings(Run(), {"attention": "bam", "attention.reduction": "2", **settings})
    with torch.device("meta"):
        assert attention_places(build(run)) == places


def test_stages_have_the_channels_that_timm_says():
    timm = pytest.importorskip("timm")
    run = Run(backbone=Timm(name="test_efficientnet"), attention=BAMSpec(reduction=2))
    network = build(run)
    expected = [info["num_chs"] for info in timm.create_model("test_efficientnet").feature_info][:-1]
    attention = [network.get_submodule(name).attention for name in attention_places(network)]
    widths = [next(m for m in each.modules() if isinstance(m, nn.Linear)).in_features for each in attention]
    assert widths == expected == [16, 24, 32, 48]


LINES = [
    (
        "backbone=torchvision backbone.name=resnet81",
        f"backbone.name=resnet81: torchvision {torchvision.__version__} has no classification network of that name; "
        "did you mean 'resnet18'?",
    ),
    *(
        (
            f"backbone=torchvision backbone.name={name}",
            f"backbone.name={name}: is a network of torchvision for detection, segmentation, video or optical flow, or "
            "a quantised one; a backbone is a classification network of floating point numbers",
        )
        for name in ("fasterrcnn_resnet50_fpn", "deeplabv3_resnet50", "r3d_18", "quantized_resnet18", "raft_small")
    ),
    (
        "backbone=torchvision backbone.name=mobilenet_v3_small attention=bam",
        "placement=after_stages: backbone=torchvision mobilenet_v3_small does not name its stages; use "
        "placement=at_layers with placement.layers, as placement.layers=features.0,features.1,features.3,features.8, "
        "behind which the resolution falls",
    ),
    (
        "backbone=torchvision backbone.name=swin_t attention=bam dataset=cifar10",
        "placement=after_stages: backbone=torchvision swin_t does not name its stages; use placement=at_layers with "
        "placement.layers, as placement.layers=features.1,features.3,features.5, behind which the resolution falls",
    ),
    (
        "backbone=torchvision backbone.name=resnet18 attention=bam placement=every_block",
        "placement=every_block: backbone=torchvision does not say which layers are blocks; use placement=at_layers "
        "with placement.layers",
    ),
    (
        "backbone=torchvision backbone.name=resnet18 attention=bam placement.stages=5",
        "placement.stages=5: this network has 4 stages",
    ),
    (
        "backbone=torchvision backbone.name=inception_v3",
        "backbone=torchvision inception_v3: does not take images of 3 x 24 x 24: RuntimeError: Given input size: "
        "(192x2x2). Calculated output size: (192x0x0). Output size is too small",
    ),
    (
        "backbone=torchvision backbone.name=vit_b_16 dataset=image_folder dataset.name=x dataset.height=32",
        "backbone=torchvision vit_b_16: needs images as high as wide, got 32 x 64",
    ),
]


@pytest.mark.parametrize(("words", "line"), LINES, ids=[words for words, _ in LINES])
def test_what_is_wrong_is_one_line(words, line, tmp_path, monkeypatch):
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    for name in ("a", "b"):
        (tmp_path / "x" / "train" / name).mkdir(parents=True)
    with torch.device("meta"):
        assert refusal(with_settings(Run(), dict(word.split("=") for word in words.split()))) == line


def test_what_timm_does_not_take_is_one_line():
    timm = pytest.importorskip("timm")
    assert refusal(Run(backbone=Timm(name="test_resnot"))) == (
        f"backbone.name=test_resnot: timm {timm.__version__} has no network of that name; did you mean 'test_resnet'?"
    )
    assert refusal(Run(backbone=Timm(name="test_resnet.r160_in1k"))).startswith(
        f"backbone.name=test_resnet.r160_in1k: timm {timm.__version__} has no network of that name"
    )
    assert refusal(Run(backbone=Timm(name="test_vit"))).startswith(
        "backbone=timm test_vit: does not take images of 3 x 24 x 24: AssertionError: Input height (24) should be "
    )
    run = Run(dataset=ClutteredDigits(size=32), backbone=Timm(name="test_vit"), attention=BAMSpec())
    assert refusal(run) == "layer 'blocks.0': gives (1, 5, 64), attention needs (N, C, H, W)"


def test_without_timm_it_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    needs = "needs the package timm: pip install 'lightning-bam[timm]'"
    assert refusal(Run(backbone=Timm(name="resnet18"))) == f"backbone=timm: {needs}"
    assert refusal(Run(attention=TimmAttention(name="eca"))) == f"layer 'layer1': attention=timm: {needs}"


def test_timm_s_version_is_noted_of_what_it_builds_alone():
    timm = pytest.importorskip("timm")
    assert packages(Run(backbone=Timm(name="resnet18"))) == {"timm": timm.__version__}
    assert packages(Run(attention=TimmAttention(name="eca"))) == {"timm": timm.__version__}
    assert packages(Run(backbone=Torchvision(name="resnet18"), attention=BAMSpec())) == {}


def test_it_computes_what_timm_s_does_for_images_of_any_size_and_channels():
    timm = pytest.importorskip("timm")
    ours = build(Run(dataset=Digits(), backbone=Timm(name="test_resnet"))).eval()
    theirs = timm.create_model("test_resnet", num_classes=10, in_chans=1).eval()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(images((1, 37, 41))), theirs(images((1, 37, 41))))
    with torch.device("meta"):
        sized = build(Run(dataset=ClutteredDigits(size=48), backbone=Timm(name="test_vit")))
    assert sized.pos_embed.shape == (1, 3 * 3 + 1, 64)


def test_a_narrow_network_is_kept_out_of_channels_last():
    pytest.importorskip("timm")
    with torch.device("meta"):
        assert memory_format(build(Run(backbone=Timm(name="mobileone_s0")))) is torch.contiguous_format
        assert memory_format(build(Run(backbone=Timm(name="test_resnet")))) is torch.channels_last
        assert memory_format(build(Run(backbone=SMALL))) is torch.channels_last


def test_it_is_the_own_resnet18_in_another_spelling():
    run = Run(backbone=ResNet18(stem="imagenet"), attention=BAMSpec())
    assert count(run) == count(replace(run, backbone=Torchvision(name="resnet18")))
