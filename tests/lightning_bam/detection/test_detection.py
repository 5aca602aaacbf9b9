"""Detection: exact scenes, COCO's format, equal starts, gradients everywhere, and a score worked out by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image

from lightning_bam import (
    BAMSpec,
    CocoDetection,
    ConfigError,
    DigitScenes,
    FasterRCNN,
    Recipe,
    Run,
    RunFolder,
    SmallResNet,
    build,
    count,
    train,
)
from lightning_bam.attention.gate import gated_modules
from lightning_bam.detection.data import DetectionData, load_scenes, mirrored
from lightning_bam.detection.scores import BoxScores
from lightning_bam.detection.sets import Target
from lightning_bam.training.detector import DetectionTask
from lightning_bam.training.recorder import TrainingError

SCENES = DigitScenes(height=40, width=56, most=2, train=20, test=7)
DETECTOR = FasterRCNN(trunk=SmallResNet(width=8), pyramid=8, hidden=16, proposals=30)
RECIPE = Recipe(epochs=2, batch_size=4, lr=0.01, schedule="constant")
RUN = Run(dataset=SCENES, backbone=DETECTOR, recipe=RECIPE)
WITH_BAM = replace(RUN, attention=BAMSpec(reduction=4))


def test_average_precision_by_hand():
    # ranked: hit, miss, hit of two objects: precision 1 up to recall .5, then 2/3: (51 + 50 * 2/3) / 101 at any overlap
    boxes = torch.tensor([[0.0, 0, 10, 30], [40, 5, 60, 12], [20, 20, 33, 27]])
    found = {"boxes": boxes, "scores": torch.tensor([0.9, 0.8, 0.7]), "labels": torch.tensor([3, 3, 3])}
    wanted = Target(boxes[[0, 2]], torch.tensor([3, 3]), torch.tensor([False, False]))
    scores = BoxScores()
    scores.add([found], [wanted])
    expected = 100 * (51 + 50 * 2 / 3) / 101
    assert scores.figures() == pytest.approx(dict.fromkeys(("map_50_95", "map_50", "map_75"), expected) | {"scored": 1})


def test_every_box_holds_its_digit_and_nothing_is_lit_outside_of_all_canvases():
    sets = load_scenes(SCENES)
    assert sets.digest == load_scenes(SCENES).digest != load_scenes(replace(SCENES, seed=1)).digest
    counts = [len(sets.train.targets[i].labels) for i in range(20)]
    assert set(counts) == {0, 1, 2}, "scenes without objects, too"
    sides = set()
    for index in range(20):
        image, target = sets.train.image(index), sets.train.targets[index]
        assert image.shape == (3, 40, 56)
        assert bool(image.any()) == bool(len(target.labels))
        for left, top, right, bottom in target.boxes.int().tolist():
            inside = image[:, top:bottom, left:right].amax(0)
            assert min(inside.amax(0)[[0, -1]].min(), inside.amax(1)[[0, -1]].min()) >= 30, (
                "each edge touches the digit"
            )
            sides.add(bottom - top == right - left)
    assert False in sides, "boxes that are not square"


def test_mirrored_by_hand():
    image = torch.arange(3 * 5 * 7).reshape(3, 5, 7)
    target = Target(torch.tensor([[1.0, 2, 3, 5]]), torch.tensor([4]), torch.tensor([False]))
    turned, there = mirrored(image, target)
    assert there.boxes.tolist() == [[4, 2, 6, 5]]
    assert torch.equal(turned[:, 2:5, 4:6], image[:, 2:5, 1:3].flip(2))


def test_equal_seeds_start_from_equal_weights_and_bam_stands_in_the_trunk():
    plain, refined = build(RUN).state_dict(), build(WITH_BAM).state_dict()
    assert all(torch.equal(value, refined[name]) for name, value in plain.items())
    added = {name.split(".attention")[0] for name in set(refined) - set(plain)}
    assert added == {"backbone.body.layer1", "backbone.body.layer2"}
    assert not torch.equal(
        plain["rpn.head.conv.0.0.weight"], build(replace(RUN, seed=1)).state_dict()["rpn.head.conv.0.0.weight"]
    )


def test_gradient_reaches_every_parameter():
    network, sets = build(WITH_BAM).train(), load_scenes(SCENES)
    torch.manual_seed(5)
    images = [sets.train.image(i) / 255 for i in range(6)]
    targets = [{"boxes": t.boxes, "labels": t.labels} for t in sets.train.targets[:6]]
    sum(network(images, targets).values()).backward()
    dead = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not [name for name in dead if "backbone" in name and "fpn" not in name]


def test_counted_by_hand():
    plain, more = count(RUN), count(replace(RUN, backbone=replace(DETECTOR, proposals=31)))
    assert more.params == plain.params == sum(weight.numel() for weight in build(RUN).parameters())
    assert more.macs - plain.macs == 8 * 49 * 16 + 16 * 16 + 16 * 11 + 16 * 44, "one region through the box head"


def write_coco(root, sets):
    categories = [{"id": 3 * label, "name": str(label)} for label in range(1, 11)]
    for split, scenes in (("train", sets.train), ("val", sets.test)):
        folder = root / "coco" / f"{split}2017"
        folder.mkdir(parents=True)
        images, annotations = [], []
        for index in range(len(scenes)):
            Image.fromarray(scenes.image(index).permute(1, 2, 0).numpy()).save(folder / f"{index}.png")
            images.append({"id": index, "file_name": f"{index}.png", "height": 40, "width": 56})
            for box, label in zip(
                scenes.targets[index].boxes.tolist(), scenes.targets[index].labels.tolist(), strict=True
            ):
                place = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
                annotations.append(
                    {"id": len(annotations) + 1, "image_id": index, "category_id": 3 * label, "bbox": place}
                )
        crowd = {"image_id": 0, "category_id": 6, "bbox": [50, 1, 90, 20], "iscrowd": 1}
        annotations.append(crowd | {"id": len(annotations) + 1})
        path = root / "coco" / "annotations" / f"instances_{split}2017.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def test_coco_format_gives_the_scenes_back(tmp_path, monkeypatch):
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    spec, sets = CocoDetection(classes=10, min_side=40, max_side=56), load_scenes(SCENES)
    with pytest.raises(
        ConfigError, match=r"dataset\.name=coco: no .*instances_train2017\.json; put COCO's annotations"
    ):
        load_scenes(spec)
    write_coco(tmp_path, sets)
    read = load_scenes(spec)
    assert (len(read.train), len(read.test)) == (20, 7)
    for index in range(1, 20):
        assert torch.equal(read.train.image(index), sets.train.image(index))
        assert torch.equal(read.train.targets[index].boxes, sets.train.targets[index].boxes)
        assert torch.equal(read.train.targets[index].labels, sets.train.targets[index].labels)
    assert read.train.targets[0].crowd.tolist()[-1] is True
    assert read.train.targets[0].boxes[-1].tolist() == [50, 1, 56, 21], "cut at the image's edge"
    with pytest.raises(ConfigError, match=r"dataset\.classes=80: .* has 10 categories"):
        load_scenes(replace(spec, classes=80))
    (tmp_path / "coco" / "val2017" / "3.png").unlink()
    with pytest.raises(ConfigError, match=r"names 1 images that are not in .*, the first '3\.png'"):
        load_scenes(spec)


def test_coco_splits_with_other_categories_are_refused_and_boxes_without_width_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    write_coco(tmp_path, load_scenes(SCENES))
    spec, path = (
        CocoDetection(classes=10, min_side=40, max_side=56),
        tmp_path / "coco/annotations/instances_val2017.json",
    )
    read = json.loads(path.read_text())
    boxes = len(load_scenes(spec).test.targets[0].boxes)
    read["annotations"].append({"id": 999, "image_id": 0, "category_id": 3, "bbox": [1, 1, 1e-8, 20]})
    path.write_text(json.dumps(read))
    assert len(load_scenes(spec).test.targets[0].boxes) == boxes, "in float32 its sides are one"
    read["categories"][-1]["id"] = 33
    read["annotations"] = [one for one in read["annotations"] if one["category_id"] != 30]
    path.write_text(json.dumps(read))
    with pytest.raises(ConfigError, match=r"train and val list other categories, ids \[30, 33\]; make them equal"):
        load_scenes(spec)


def test_a_run_folder_is_trained_and_resumed_like_an_unbroken_one(tmp_path, monkeypatch):
    whole, broken = RunFolder.of(tmp_path / "a", WITH_BAM), RunFolder.of(tmp_path / "b", WITH_BAM)
    for folder in (whole, broken):
        folder.describe(WITH_BAM)
    result = train(whole)
    lines = whole.metrics()
    every = {"epoch", "train_loss", "lr", "seconds", "train_seconds", "images_per_s"}
    assert [set(line) for line in lines] == [every, every | {"map_50_95", "map_50", "map_75", "scored", "gates"}]
    assert list(lines[-1]["gates"]) == list(gated_modules(build(WITH_BAM)))
    assert result.figure("map_50") == lines[-1]["map_50"]
    assert result.figure("error_top1") is None
    assert result.scored == 7
    append = RunFolder.append_epoch

    def stop(folder, line):
        if line["epoch"] == 1:
            raise KeyboardInterrupt
        append(folder, line)

    monkeypatch.setattr(RunFolder, "append_epoch", stop)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(broken)
    monkeypatch.undo()
    assert len(broken.metrics()) == 1
    assert train(broken).map_50_95 == result.map_50_95
    assert [line["train_loss"] for line in broken.metrics()] == [line["train_loss"] for line in lines]


@pytest.mark.parametrize("lr", [1e10, 1e38], ids=["maps", "weights"])
def test_a_detector_that_is_lost_in_the_very_last_step_is_not_scored_as_one_that_finds_nothing(tmp_path, lr):
    """Its only step: the training loss is that of the weights before it."""
    run = replace(WITH_BAM, recipe=replace(RECIPE, epochs=1, batch_size=SCENES.train, lr=lr))
    folder = RunFolder.of(tmp_path, run)
    folder.describe(run)
    with pytest.raises(TrainingError) as caught:
        train(folder)
    assert str(caught.value) == (
        f"scored map_50_95 is nan after epoch 0; lower recipe.lr={lr} or raise recipe.warmup_epochs=0"
    )
    assert folder.result() is None


@pytest.mark.parametrize("head", ["rpn.head.cls_logits", "roi_heads.box_predictor.cls_score", None])
def test_a_head_that_gives_no_numbers_makes_the_score_none(head):
    task = DetectionTask(WITH_BAM).eval()
    if head is not None:
        torch.nn.init.constant_(task.network.get_submodule(head).bias, math.nan)
    scenes = load_scenes(SCENES).test
    task.on_validation_epoch_start()
    task.validation_step(([scenes.image(0) / 255], [scenes.targets[0]]), 0)
    figures = task.score()
    assert figures.pop("scored") == 1
    assert [math.isnan(figure) for figure in figures.values()] == [head is not None] * 3


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (Run(dataset=SCENES), "dataset=digit_scenes has boxes to detect, backbone=small_resnet classifies images"),
        (Run(backbone=DETECTOR), "backbone=faster_rcnn detects boxes, dataset=cluttered_digits has none"),
    ],
)
def test_half_a_detection_is_refused(run, message):
    for ask in (build, count, lambda r: r.detects):
        with pytest.raises(ConfigError, match=message):
            ask(run)


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(ConfigError, match="trains on one device, not on 2"):
        DetectionData(RUN).check(2)
    with pytest.raises(ConfigError, match="batch_size=128 is more than the 20 train scenes"):
        DetectionData(replace(RUN, recipe=Recipe())).check(1)
