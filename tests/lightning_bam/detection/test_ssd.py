"""SSD: torchvision's numbers from the same weights, params by formula, StairNet's path by a slow oracle."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn
from torchvision.models.detection import ssd300_vgg16

from lightning_bam import (
    SSD,
    AfterStages,
    BAMSpec,
    ConfigError,
    DigitScenes,
    EveryBlock,
    ExtraBlockSpec,
    FasterRCNN,
    Recipe,
    Run,
    RunFolder,
    SmallResNet,
    VOCDetection,
    build,
    count,
    train,
)
from lightning_bam.detection.data import load_scenes
from lightning_bam.detection.ssd import TopDown
from lightning_bam.training.detector import DetectionTask

SCENES = DigitScenes(height=40, width=56, most=2, train=20, test=7)
SMALL = SSD(base="mobilenet_v1", width=0.0625)
RUN = Run(dataset=SCENES, backbone=SMALL, recipe=Recipe(epochs=2, batch_size=4, lr=0.01, schedule="constant"))
STAIRS = replace(RUN, backbone=replace(SMALL, top_down=11))
VOC = Run(dataset=VOCDetection(), backbone=SSD())


def conv(channels, out, kernel):
    """Return the params of a conv with bias."""
    return channels * out * kernel**2 + out


def vgg():
    """Return the params of SSD's layers on VGG16 but for the heads."""
    convs = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512)]
    convs += [(512, 512)] * 5
    further = [(1024, 256, 512), (512, 128, 256), (256, 128, 256), (256, 128, 256)]
    return (
        sum(conv(*sides, 3) for sides in convs)
        + conv(512, 1024, 3)
        + conv(1024, 1024, 1)
        + 512  # the first map's scales
        + sum(conv(a, b, 1) + conv(b, c, 3) for a, b, c in further)
    )


def mobilenet():
    """Return the params of MobileNet-SSD's layers but for the heads; norms have 2 a channel."""
    widths = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    further = [(1024, 256, 512), (512, 128, 256), (256, 128, 256), (256, 64, 128)]
    return (
        3 * 32 * 9 + 2 * 32
        + sum(a * 9 + 2 * a + a * b + 2 * b for a, b in pairwise(widths))
        + sum(conv(a, b, 1) + conv(b, c, 3) for a, b, c in further)
    )  # fmt: skip


def heads(channels, first, kernel):
    """Return the params of convs for 21 classes and 4 edges of each default box."""
    boxes = (first, 6, 6, 6, 4, 4)
    return sum(conv(c, 25 * n, kernel) for c, n in zip(channels, boxes, strict=True))


def path(channels, width):
    """Return the params of StairNet's path: six laterals, five steps, six convs, each with a norm."""
    laterals = sum(c * width + 2 * width for c in channels)
    return laterals + 11 * (width * width * 9 + 2 * width)


MAPS = {"vgg16": (512, 1024, 512, 256, 256, 256), "mobilenet_v1": (512, 1024, 512, 256, 256, 128)}
COUNTED = [
    (SSD(), vgg() + heads(MAPS["vgg16"], 4, 3), 26_285_486),
    (SSD(first_boxes=6), vgg() + heads(MAPS["vgg16"], 6, 3), 26_515_936),
    (
        SSD(first_boxes=6, top_down=256),
        vgg() + path(MAPS["vgg16"], 256) + heads([256] * 6, 6, 3),
        32_005_600,
    ),
    (SSD(base="mobilenet_v1", first_boxes=6), mobilenet() + heads(MAPS["mobilenet_v1"], 6, 1), 5_813_536),
    (
        SSD(base="mobilenet_v1", first_boxes=6, top_down=256),
        mobilenet() + path(MAPS["mobilenet_v1"], 256) + heads([256] * 6, 6, 1),
        12_819_232,
    ),
]


@pytest.mark.parametrize(("spec", "formula", "params"), COUNTED, ids=str)
def test_params_by_formula(spec, formula, params):
    assert count(replace(VOC, backbone=spec)).params == formula == params


def test_macs_by_hand():
    plain, stairs = count(VOC).macs, count(replace(VOC, backbone=SSD(top_down=16))).macs
    assert plain == 31_373_537_792
    sides, boxes = (38, 19, 10, 5, 3, 1), (4, 6, 6, 6, 4, 4)
    places = [side**2 for side in sides]
    width = 16
    expected = sum(
        place * (c * width + 9 * width**2 + 9 * 25 * n * (width - c))
        for place, c, n in zip(places, MAPS["vgg16"], boxes, strict=True)
    )
    # what a transposed conv gives away is a kernel at each place of the smaller map
    expected += sum(9 * width**2 * place for place in places[1:])
    assert stairs - plain == expected


def test_maps_and_heads_are_torchvisions_at_equal_weights():
    ours = build(VOC)
    theirs = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=21).eval()
    base = list(theirs.backbone.features.parameters()) + list(theirs.backbone.extra[0].parameters())
    further = [weight for block in theirs.backbone.extra[1:] for weight in block.parameters()]
    state = [*base, theirs.backbone.scale_weight, *further, *theirs.head.parameters()]
    own = list(ours.parameters())
    assert [weight.shape for weight in own] == [weight.shape for weight in state]
    image = torch.rand(1, 3, 300, 300, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        for weight, value in zip(own, state, strict=True):
            weight.copy_(value)
        maps, wanted = list(ours.eval().backbone(image).values()), list(theirs.backbone(image).values())
        assert [tuple(one.shape[1:]) for one in maps] == [
            (512, 38, 38), (1024, 19, 19), (512, 10, 10), (256, 5, 5), (256, 3, 3), (256, 1, 1)
        ]  # fmt: skip
        for one, other in zip(maps, wanted, strict=True):
            torch.testing.assert_close(one, other)
        for name, values in ours.head(maps).items():
            torch.testing.assert_close(values, theirs.head(wanted)[name])
            assert values.shape[1] == 8732, "default boxes of SSD300"


def test_stairnets_path_by_a_slow_oracle():
    """Maps of 5 x 7, 3 x 4 and 1 x 2: a step of stride 2, and one without padding."""
    torch.manual_seed(1)
    channels, width = (3, 5, 2), 2
    net = TopDown(channels, width, [(2, 1), (1, 0)]).eval()
    sizes = ((5, 7), (3, 4), (1, 2))
    maps = [torch.randn(1, c, *size) for c, size in zip(channels, sizes, strict=True)]
    scale = 1 / math.sqrt(1 + 1e-5)  # a norm at its start

    def up(layer, low, size):
        (stride, _), (padding, _) = layer.stride, layer.padding
        high = torch.zeros(width, *size)
        for y in range(low.shape[1]):
            for x in range(low.shape[2]):
                for dy in range(3):
                    for dx in range(3):
                        row, column = y * stride + dy - padding, x * stride + dx - padding
                        if 0 <= row < size[0] and 0 <= column < size[1]:
                            high[:, row, column] += layer.weight[:, :, dy, dx].T @ low[:, y, x]
        return high

    with torch.no_grad():
        found = net(maps)
        summed = None
        for i in (2, 1, 0):
            lateral = torch.einsum("oc,chw->ohw", net.lateral[i][0].weight[:, :, 0, 0], maps[i][0]) * scale
            summed = lateral if summed is None else lateral + up(net.up[i], summed, sizes[i]) * scale
            wanted = (nn.functional.conv2d(summed[None], net.out[i][0].weight, padding=1) * scale).relu()
            torch.testing.assert_close(found[i], wanted)


PLACES = [
    (RUN, AfterStages(), ["base.layer1", "base.layer2", "base.layer3"]),
    (RUN, AfterStages(stages=(2, 4)), ["base.layer2", "base.layer4"]),
    (STAIRS, AfterStages(), [f"top_down.out.{i}" for i in range(6)]),
    (STAIRS, AfterStages(stages=(1, 6)), ["top_down.out.0", "top_down.out.5"]),
    (replace(VOC, backbone=SSD(width=0.0625)), AfterStages(), [f"base.layer{i}" for i in (1, 2, 3, 4)]),
    (
        STAIRS,
        EveryBlock(),
        ["base.stem.block"] + [f"base.layer{s}.{i}" for s, n in ((1, 2), (2, 2), (3, 6), (4, 2)) for i in range(n)],
    ),
]


@pytest.mark.parametrize(("run", "placement", "places"), PLACES)
@pytest.mark.parametrize("attention", [BAMSpec(reduction=2), ExtraBlockSpec()], ids=["bam", "extra"])
def test_attention_stands_where_it_is_said_and_equal_seeds_start_equal(run, placement, places, attention):
    run = replace(run, attention=attention, placement=placement)
    if attention == ExtraBlockSpec() and placement == EveryBlock():
        with pytest.raises(ConfigError, match="a block in every block is another network"):
            build(run)
        return
    plain, refined = build(replace(run, attention=None)).state_dict(), build(run).state_dict()
    assert all(torch.equal(value, refined[name]) for name, value in plain.items())
    added = {name.split(".attention")[0] for name in set(refined) - set(plain)}
    assert added == {f"backbone.{place}" for place in places}
    assert count(run).params == sum(weight.numel() for weight in build(run).parameters())


@pytest.mark.parametrize(("run", "stages"), [(RUN, 3), (STAIRS, 6), (VOC, 4)], ids=["mobilenet", "stairs", "vgg"])
def test_the_default_places_spelt_out_are_the_default(run, stages):
    run = replace(run, attention=BAMSpec())
    spelt = AfterStages(stages=tuple(range(1, stages + 1)))
    assert replace(run, placement=spelt).key == run.key
    more = replace(run, placement=AfterStages(stages=tuple(range(1, 8))))
    with pytest.raises(ConfigError, match="this network has . stages"):
        build(more)


@pytest.mark.parametrize("run", [RUN, STAIRS], ids=["plain", "stairs"])
def test_gradient_reaches_every_parameter(run):
    network, sets = build(replace(run, attention=BAMSpec(reduction=2))).train(), load_scenes(SCENES)
    images = [sets.train.image(i) / 255 for i in range(6)]
    targets = [{"boxes": t.boxes, "labels": t.labels} for t in sets.train.targets[:6]]
    losses = network(images, targets)
    assert set(losses) == {"bbox_regression", "classification"}
    sum(losses.values()).backward()
    dead = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert dead == []


def test_an_image_of_another_size_is_stretched_and_its_boxes_with_it():
    network = build(RUN).eval()
    image = torch.rand(3, 80, 28, generator=torch.Generator().manual_seed(2))
    stretched = nn.functional.interpolate(image[None], size=(40, 56), mode="bilinear", align_corners=False)[0]
    with torch.no_grad():
        own, there = network([image])[0], network([stretched])[0]
    assert len(own["boxes"])
    torch.testing.assert_close(own["scores"], there["scores"])
    torch.testing.assert_close(own["boxes"], there["boxes"] * torch.tensor([0.5, 2, 0.5, 2]))
    assert (own["boxes"].amax(0) <= torch.tensor([28, 80, 28, 80])).all()
    network.train()
    box = torch.tensor([[3.0, 20, 21, 70]])
    label = torch.tensor([4])
    one = network([image] * 2, [{"boxes": box, "labels": label}] * 2)
    other = network([stretched] * 2, [{"boxes": box * torch.tensor([2, 0.5, 2, 0.5]), "labels": label}] * 2)
    for name, loss in one.items():
        torch.testing.assert_close(loss, other[name])


def test_vgg16_refuses_images_on_which_its_last_map_has_no_place():
    small = replace(VOC, dataset=replace(SCENES, height=257, width=256), backbone=SSD(width=0.0625))
    with pytest.raises(ConfigError) as refusal:
        build(small)
    assert str(refusal.value) == "dataset=digit_scenes: ssd needs images of at least 257 x 257, got 257 x 256"
    assert count(replace(small, dataset=replace(SCENES, height=257, width=257))).params


def test_one_detector_reads_the_folders_of_the_other():
    """Faster R-CNN takes VOC's images, too, in their proportions."""
    run = replace(VOC, backbone=FasterRCNN(trunk=SmallResNet(width=4), pyramid=8, hidden=8, proposals=9))
    transform = build(run).transform
    assert (transform.min_size, transform.max_size) == ((300,), 300)
    assert transform.fixed_size is None


@pytest.mark.parametrize("head", ["head.cls_logits.module_list.5", "head.bbox_regression.module_list.0", None])
def test_a_head_that_gives_no_numbers_makes_the_score_none(head):
    task = DetectionTask(RUN).eval()
    if head is not None:
        nn.init.constant_(task.network.get_submodule(head).bias, math.nan)
    scenes = load_scenes(SCENES).test
    task.on_validation_epoch_start()
    task.validation_step(([scenes.image(0) / 255], [scenes.targets[0]]), 0)
    figures = task.score()
    assert figures.pop("scored") == 1
    assert [math.isnan(figure) for figure in figures.values()] == [head is not None] * 3


def test_a_run_folder_is_trained_and_resumed_like_an_unbroken_one(tmp_path, monkeypatch):
    run = replace(STAIRS, attention=BAMSpec(reduction=4))
    whole, broken = RunFolder.of(tmp_path / "a", run), RunFolder.of(tmp_path / "b", run)
    for folder in (whole, broken):
        folder.describe(run)
    result = train(whole)
    assert result.scored == 7
    assert 0 <= result.figure("map_50_95") <= result.figure("map_50") <= 100
    append = RunFolder.append_epoch

    def stop(folder, line):
        if line["epoch"] == 1:
            raise KeyboardInterrupt
        append(folder, line)

    monkeypatch.setattr(RunFolder, "append_epoch", stop)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(broken)
    monkeypatch.undo()
    assert train(broken).map_50_95 == result.map_50_95
    losses = [[line["train_loss"] for line in folder.metrics()] for folder in (whole, broken)]
    assert losses[0] == losses[1]
