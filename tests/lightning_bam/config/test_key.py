"""A run's identity: pinned by literals, blind to what plays no part, and to nothing else."""

from dataclasses import fields, replace

import pytest

from lightning_bam import (
    CIFAR100,
    RELEASED_BAM,
    SSD,
    AfterStages,
    AtLayers,
    BAMSpec,
    CBAMSpec,
    CocoDetection,
    CoordinateAttentionSpec,
    DenseNet,
    Digits,
    DigitScenes,
    ECASpec,
    EveryBlock,
    ExtraBlockSpec,
    FasterRCNN,
    GatherExciteSpec,
    GlobalContextSpec,
    ImageFolder,
    ImageNet,
    MobileNet,
    PreResNet,
    Recipe,
    ResNet18,
    ResNet50,
    ResNet101,
    ResNeXt29,
    ResNeXt50,
    Run,
    SESpec,
    SimAMSpec,
    SmallResNet,
    SqueezeNet,
    Timm,
    TimmAttention,
    Torchvision,
    TripletAttentionSpec,
    VOCDetection,
    WideResNet,
)
from lightning_bam.config import KINDS, Classification, ConfigError, Detection, flatten
from tests.lightning_bam.config.another import another, plain

BAM_RUN = Run(attention=BAMSpec())

PINNED = {
    "c82120ac4d789765": Run(),
    "76ba26e767bf4ba2": Run(attention=BAMSpec()),
    "832ef380f54c3741": Run(dataset=CIFAR100(), backbone=ResNet50(stride_on="1x1"), attention=RELEASED_BAM, seed=4),
    "d07ebfc3a5073757": Run(
        dataset=Digits(), backbone=ResNet18(width=8), attention=SESpec(reduction=4), placement=EveryBlock()
    ),
    "07e2d59fc1799692": Run(
        dataset=ImageFolder(name="pets"), backbone=WideResNet(), attention=CBAMSpec(), score_on="held_out"
    ),
    "6cc130fe63814704": Run(backbone=PreResNet(), attention=BAMSpec(combine="max"), placement=AfterStages(stages=(2,))),
    "74d0a215e4bd46f7": Run(
        backbone=ResNeXt29(cardinality=16), recipe=Recipe(epochs=30, schedule="cosine", precision="bf16")
    ),
    "526232c35303d915": Run(
        backbone=SmallResNet(depth=20), attention=BAMSpec(branches="channel"), recipe=Recipe(milestones=(0.5, 0.75))
    ),
    "4c21fe9a97d13f91": Run(backbone=ResNet18(stem="imagenet", width=96), attention=ExtraBlockSpec()),
    "97f19eae6af6ee99": Run(backbone=ResNeXt50(stride_on="1x1"), attention=BAMSpec()),
    "50516ef87af6b9fc": Run(backbone=DenseNet(depth=40), attention=BAMSpec(), placement=AfterStages(stages=(1, 3))),
    "c9f5f0d67de757bc": Run(backbone=MobileNet(width=0.7), attention=SESpec(), placement=EveryBlock()),
    "bfb40e80af8c2c0c": Run(backbone=SqueezeNet()),
    "3b5b84a5e6a4fe69": Run(attention=BAMSpec(), placement=AtLayers(layers=("layer1.0", "layer3"))),
}


FILE = {"weights": "a/resnet18.pth", "sha256": "0123456789abcdef"}
PINNED["9c76e69f75683b65"] = Run(
    backbone=Torchvision(name="mobilenet_v3_small"), attention=BAMSpec(), placement=AtLayers(layers=("features.3",))
)
PINNED["eae5e50c1f6bdda1"] = Run(backbone=Torchvision(name="resnet18", **FILE))
PINNED["925c419fe5200a44"] = Run(
    backbone=Timm(name="test_resnet"), attention=BAMSpec(), placement=AfterStages(stages=(1, 2, 3))
)
PINNED["0632f1943cd5730c"] = Run(backbone=Timm(name="resnet18", **FILE))
PINNED["3a384db3d9ec2342"] = Run(attention=TimmAttention(name="eca"))
PINNED["987e9ce86e9aabdc"] = Run(attention=TimmAttention(name="se", arguments={"rd_ratio": 0.25, "bias": False}))


@pytest.mark.parametrize("cls", [Torchvision, Timm])
def test_weights_are_their_content_not_where_they_lie(cls):
    def key(**changes):
        return Run(backbone=cls(name="resnet18", **(FILE | changes))).key

    assert key(weights="/elsewhere/weights.pth") == key()
    assert key(sha256=FILE["sha256"] + "0" * 48) == key() == key(sha256=FILE["sha256"].upper())
    assert key(sha256="1" + FILE["sha256"][1:]) != key() != Run(backbone=cls(name="resnet18")).key


def test_stages_of_a_network_that_must_be_built_to_know_them_are_as_they_are_written():
    spelt = replace(PINNED["925c419fe5200a44"], placement=AfterStages())
    assert spelt.key != PINNED["925c419fe5200a44"].key


IMAGENET = Recipe(epochs=100, batch_size=256, nesterov=False, weight_decay=1e-4, milestones=(0.3, 0.6, 0.9), gamma=0.1)
PINNED["3445fafe6a15370f"] = Run(dataset=DigitScenes(), backbone=FasterRCNN(), attention=BAMSpec())
PINNED["45be98f84803da8a"] = Run(dataset=CocoDetection(), backbone=FasterRCNN(trunk=ResNet101(stem="imagenet")))
PINNED["486f6b08c0cbf684"] = Run(
    dataset=VOCDetection(), backbone=SSD(first_boxes=6, top_down=256), attention=BAMSpec(norm="maps")
)
PINNED["10f1c3ee50578590"] = Run(
    dataset=VOCDetection(name="voc", height=512), backbone=SSD(base="mobilenet_v1", width=0.5)
)
PINNED["7763d4c9fa19be0c"] = Run(dataset=ImageNet(), backbone=ResNet50(), recipe=IMAGENET)
ADAMW = Recipe(optimizer="AdamW", optimizer_options={"eps": 1e-7, "betas": (0.9, 0.95), "amsgrad": True}, lr=1e-3)
PINNED["02f5cad22872eb12"] = Run(recipe=ADAMW)
PINNED["03e9b6bd9ff9a9cb"] = Run(recipe=Recipe(clip_grad_norm=1, ema=0.999))
PINNED["9b8ec85c418674c6"] = Run(recipe=Recipe(mixup=0.2, cutmix=1))
PINNED["88673a03f924a08c"] = Run(attention=ECASpec(), placement=EveryBlock())
PINNED["b8a1befa4f0ba7c2"] = Run(attention=SimAMSpec(unbiased=True))
PINNED["8dc684f6f88bb61a"] = Run(
    backbone=MobileNet(), attention=CoordinateAttentionSpec(min_hidden=0), placement=EveryBlock()
)
PINNED["a4e5cdfbf956fb3c"] = Run(attention=GlobalContextSpec(fusion="scale", released_init=True))
PINNED["4f66b0c52b3ab33b"] = Run(attention=TripletAttentionSpec(branches="channel"), seed=3)
PINNED["cae5d15397565791"] = Run(attention=GatherExciteSpec(extent=8, gather="conv", mlp=True))

PINNED["ba14c2f00304fad8"] = Run(dataset=Digits(train=500))
PINNED["69ac23e992fa4d59"] = Run(dataset=ImageFolder(name="pets", split=0.8, train=60))


@pytest.mark.parametrize(("key", "run"), PINNED.items(), ids=PINNED.keys())
def test_keys_are_pinned(key, run):
    # a changed literal here means that every run folder on every disk has become another run's
    assert run.key == key


def test_pinned_runs_cover_every_kind_but_datasets():
    runs = PINNED.values()
    for slot in ("backbone", "attention", "placement", "recipe"):
        covered = {getattr(run, slot).kind for run in runs if getattr(run, slot) is not None}
        assert covered >= set(KINDS[slot]) - {"resnet34", "resnet101"}


FIELDS = [
    pytest.param(slot, cls, field.name, id=f"{kind}.{field.name}")
    for slot, kinds in KINDS.items()
    for kind, cls in kinds.items()
    for field in fields(cls)
    if field.name != "weights"  # where a file lies; what is in it has a field of its own
]


@pytest.mark.parametrize(("slot", "cls", "name"), FIELDS)
def test_every_field_changes_the_key(slot, cls, name):
    base = replace(BAM_RUN, **{slot: plain(cls, name)})
    other = replace(base, **{slot: replace(plain(cls, name), **{name: another(cls, name)})})
    assert other != base
    assert other.key != base.key


def test_the_task_that_data_and_network_imply_is_none_of_its_own():
    assert replace(BAM_RUN, task=Classification()).key == BAM_RUN.key
    scenes = Run(dataset=DigitScenes(), backbone=FasterRCNN())
    assert replace(scenes, task=Detection()).key == scenes.key
    with pytest.raises(ConfigError, match="task=detection: with dataset=cluttered_digits and backbone=small_resnet it"):
        print(replace(BAM_RUN, task=Detection()).actual_task)


@pytest.mark.parametrize("slot", [slot for slot in KINDS if slot != "task"])
def test_every_kind_changes_the_key(slot):
    keys = {replace(BAM_RUN, **{slot: plain(cls)}).key for cls in KINDS[slot].values()}
    assert len(keys) == len(KINDS[slot])


@pytest.mark.parametrize("change", [{"seed": 1}, {"score_on": "held_out"}, {"attention": None}])
def test_every_other_field_of_a_run_changes_the_key(change):
    assert replace(BAM_RUN, **change).key != BAM_RUN.key


def test_key_is_sixteen_hex_digits():
    assert len(Run().key) == 16
    assert int(Run().key, 16) >= 0


SAME = [
    (BAMSpec(branches="channel", dilation=2, dilated_convs=1, combine="max"), BAMSpec(branches="channel")),
    (BAMSpec(branches="channel", init="kaiming"), BAMSpec(branches="channel")),
    (BAMSpec(branches="spatial", channel_layers=2, combine="product"), BAMSpec(branches="spatial")),
    (BAMSpec(dilated_convs=0, dilation=1), BAMSpec(dilated_convs=0)),
]
DIFFERENT = [
    (BAMSpec(branches="channel", init="zero"), BAMSpec(branches="channel")),
    (BAMSpec(branches="channel", channel_layers=2), BAMSpec(branches="channel")),
    (BAMSpec(branches="spatial", init="kaiming"), BAMSpec(branches="spatial")),
    (BAMSpec(branches="spatial", dilation=2), BAMSpec(branches="spatial")),
    (BAMSpec(dilated_convs=1, dilation=1), BAMSpec(dilated_convs=1)),
]


@pytest.mark.parametrize(("one", "two"), SAME, ids=str)
def test_knobs_without_effect_leave_the_key(one, two):
    assert Run(attention=one).key == Run(attention=two).key


@pytest.mark.parametrize(("one", "two"), DIFFERENT, ids=str)
def test_knobs_with_effect_change_the_key(one, two):
    assert Run(attention=one).key != Run(attention=two).key


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (Recipe(schedule="cosine", gamma=0.5, milestones=(0.5,)), Recipe(schedule="cosine")),
        (Recipe(schedule="constant", gamma=0.5), Recipe(schedule="constant")),
        (Recipe(milestones=(), gamma=0.5), Recipe(schedule="constant")),
        (Recipe(gamma=1), Recipe(schedule="constant")),
    ],
    ids=str,
)
def test_schedule_knobs_without_effect_leave_the_key(one, two):
    assert Run(recipe=one).key == Run(recipe=two).key


@pytest.mark.parametrize(
    "other",
    [
        {"momentum": 0.5},
        {"nesterov": False, "momentum": 0},
        {"optimizer": " adamW"},
        {"optimizer_options": {"amsgrad": "true", "betas": [0.9, "0.95"], "eps": "1e-07"}},
    ],
    ids=str,
)
def test_sgd_s_own_knobs_and_another_spelling_leave_another_optimizer_s_key(other):
    assert Run(recipe=replace(ADAMW, **other)).key == "02f5cad22872eb12"
    assert "recipe.momentum" not in flatten(Run(recipe=replace(ADAMW, **other)))


def test_crop_padding_plays_no_part_where_crops_are_of_random_size():
    runs = [Run(dataset=ImageNet(), recipe=Recipe(crop_padding=padding)) for padding in (0, 4, 7)]
    assert len({run.key for run in runs}) == 1
    assert all("recipe.crop_padding" not in flatten(run) for run in runs)
    assert flatten(runs[0])["recipe.flip"] is True
    assert flatten(Run())["recipe.crop_padding"] == 4
    assert Run(recipe=Recipe(crop_padding=0)).key != Run().key


def test_placement_plays_no_part_without_attention():
    assert Run(placement=EveryBlock()).key == Run().key == Run(placement=AfterStages(stages=(1,))).key


@pytest.mark.parametrize(
    ("backbone", "all_but_last"), [(SmallResNet(), (1, 2)), (ResNet50(), (1, 2, 3)), (WideResNet(), (1, 2))], ids=str
)
def test_the_default_stages_spelt_out_are_the_default(backbone, all_but_last):
    run = replace(BAM_RUN, backbone=backbone)
    assert replace(run, placement=AfterStages(stages=all_but_last)).key == run.key
    assert replace(run, placement=AfterStages(stages=all_but_last[:-1])).key != run.key
    assert replace(run, placement=AfterStages(stages=(*all_but_last, len(all_but_last) + 1))).key != run.key


def test_a_default_written_out_is_the_default():
    assert Run(attention=BAMSpec(reduction=16, dilation=4), seed=0, score_on="test").key == BAM_RUN.key


DEFAULTS = {
    "cluttered_digits": "ClutteredDigits(size=24, fragments=4, train=6000, test=2000, seed=0)",
    "digits": "Digits(train=None)",
    "cifar10": "CIFAR10(train=None)",
    "cifar100": "CIFAR100(train=None)",
    "fashion_mnist": "FashionMNIST(train=None)",
    "svhn": "SVHN(train=None)",
    "image_folder": "ImageFolder(name='cars', height=64, width=64, train=None, split=None)",
    "imagenet": "ImageNet(resolution=224, train=None)",
    "digit_scenes": "DigitScenes(height=64, width=64, most=4, train=1000, test=250, seed=0)",
    "coco_detection": "CocoDetection(name='coco', year=2017, classes=80, min_side=800, max_side=1333, train=None)",
    "voc_detection": "VOCDetection(name='VOCdevkit', height=300, width=300, train=None)",
    "faster_rcnn": "FasterRCNN(trunk=SmallResNet(depth=8, width=16), pyramid=256, hidden=1024, proposals=1000)",
    "ssd": "SSD(base='vgg16', width=1.0, first_boxes=4, top_down=None)",
    "small_resnet": "SmallResNet(depth=8, width=16)",
    "resnet18": "ResNet18(width=64, stem='small')",
    "resnet34": "ResNet34(width=64, stem='small')",
    "resnet50": "ResNet50(stride_on='3x3', width=64, stem='small')",
    "resnet101": "ResNet101(stride_on='3x3', width=64, stem='small')",
    "wrn28": "WideResNet(widen_factor=8)",
    "preresnet": "PreResNet(depth=164, stride_on='3x3')",
    "resnext29": "ResNeXt29(cardinality=8, base_width=64, stride_on='3x3')",
    "resnext50": "ResNeXt50(cardinality=32, base_width=4, stride_on='3x3')",
    "densenet_bc": "DenseNet(depth=100, growth=12)",
    "mobilenet_v1": "MobileNet(width=1.0)",
    "squeezenet1_1": "SqueezeNet()",
    "torchvision": "Torchvision(name='resnet18', weights=None, sha256=None)",
    "backbone timm": "Timm(name='eca', weights=None, sha256=None)",
    "attention timm": "TimmAttention(name='eca', arguments={})",
    "bam": (
        "BAMSpec(reduction=16, dilation=4, combine='sum', branches='both', norm='ends', "
        "activation='relu', dilated_convs=2, channel_layers=1, residual=True, init='torch')"
    ),
    "se": "SESpec(reduction=16)",
    "extra_block": "ExtraBlockSpec()",
    "cbam": "CBAMSpec(reduction=16, kernel_size=7, spatial_norm=False)",
    "eca": "ECASpec(k_size=0, shared=True)",
    "simam": "SimAMSpec(e_lambda=0.0001, unbiased=False)",
    "coordinate_attention": "CoordinateAttentionSpec(reduction=32, min_hidden=8, hidden_norm=True)",
    "global_context": (
        "GlobalContextSpec(reduction=16, pooling='attention', fusion='add', hidden_norm=True, released_init=False)"
    ),
    "triplet_attention": "TripletAttentionSpec(kernel_size=7, branches='both')",
    "gather_excite": "GatherExciteSpec(extent=0, gather='mean', mlp=False, reduction=16)",
    "after_stages": "AfterStages(stages=None)",
    "every_block": "EveryBlock()",
    "classification": "Classification()",
    "detection": "Detection()",
    "at_layers": "AtLayers(layers=('layer1',))",
    "sgd": (
        "Recipe(epochs=200, batch_size=128, optimizer='sgd', optimizer_options={}, lr=0.1, momentum=0.9, "
        "nesterov=True, weight_decay=0.0005, clip_grad_norm=None, schedule='step', milestones=(0.3, 0.6, 0.8), "
        "gamma=0.2, warmup_epochs=0.0, label_smoothing=0.0, mixup=None, cutmix=None, crop_padding=4, flip=True, "
        "ema=None, precision='32', sync_batchnorm=True)"
    ),
}


@pytest.mark.parametrize(("slot", "kind"), [(slot, kind) for slot, kinds in KINDS.items() for kind in kinds])
def test_defaults_are_pinned(slot, kind):
    # a key holds what differs from the defaults: another default is another meaning of the same key
    assert str(plain(KINDS[slot][kind])) == DEFAULTS[f"{slot} {kind}" if kind == "timm" else kind]
