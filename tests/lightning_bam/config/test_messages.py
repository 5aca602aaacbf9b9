"""What a user reads when a description cannot be a run: one line, its place first."""

import pytest

from lightning_bam import BAMSpec, ConfigError, Run
from lightning_bam.config import construct, from_dict, with_settings

BACKBONES = (
    "densenet_bc, faster_rcnn, mobilenet_v1, preresnet, resnet101, resnet18, resnet34, resnet50, resnext29, resnext50, "
    "small_resnet, squeezenet1_1, ssd, timm, torchvision, wrn28"
)
STAGES = "placement: stages must be stage numbers from 1, in order and each once, like 1,3; got "
NEVER = (
    "init='zero' with combine='product' never learns: each branch's gradient is multiplied by the other branch, "
    "and both start at 0; use init='torch' or combine='sum'"
)
OPTION = "give a number, true or false, a word, or numbers as 0.9,0.99"

SETTINGS = [
    ("attention.reduktion=8", "attention.reduktion: no such knob; did you mean 'attention.reduction'?"),
    ("lr=0.1", "lr: no such knob; did you mean 'recipe.lr'?"),
    ("recipe.warm=1", "recipe.warm: no such knob; did you mean 'recipe.warmup_epochs'?"),
    (
        "zzz=1",
        "zzz: no such knob; known: attention, backbone, dataset, placement, recipe, score_on, seed, task",
    ),
    ("atention.reduction=8", "atention.reduction: no such knob; did you mean 'attention.reduction'?"),
    ("seed.x=1", "seed.x: no such knob; did you mean 'seed'?"),
    ("attention.reduction=0", "attention.reduction='0': input should be greater than or equal to 1"),
    ("attention.dilation=-1", "attention.dilation='-1': input should be greater than or equal to 1"),
    ("attention.combine=add", "attention.combine='add': input should be 'sum', 'product' or 'max'"),
    ("attention=bam2", "attention=bam2: no such attention; did you mean 'bam'?"),
    ("attention.init=zero attention.combine=product", f"attention: {NEVER}"),
    ("attention=none attention.reduction=8", "attention.reduction=8: attention=none has no knobs"),
    ("attention=cbam attention.kernel_size=4", "attention: kernel_size must be odd, got 4"),
    (
        "recipe.momentum=0",
        "recipe: nesterov=True needs momentum above 0; set nesterov=False or momentum=0.9",
    ),
    ("recipe.milestones=0.5,0.2", "recipe: milestones must rise, got (0.5, 0.2)"),
    ("recipe.milestones=0.5,2", "recipe.milestones.1='2': input should be less than 1"),
    ("recipe.warmup_epochs=201", "recipe: warmup_epochs must be at most epochs, got 201 of 200"),
    ("recipe.lr=inf", "recipe.lr='inf': input should be a finite number"),
    ("recipe.batch_size=1", "recipe.batch_size='1': input should be greater than or equal to 2"),
    ("recipe.optimizer=", "recipe.optimizer='': string should have at least 1 character"),
    ("recipe.optimizer_options=3", "recipe.optimizer_options: give options by name, as {'eps': 1e-08}"),
    ("recipe.optimizer_options.betas=0.9,x", f"recipe.optimizer_options: betas='0.9,x': {OPTION}"),
    ("recipe.optimizer_options.eps=nan", f"recipe.optimizer_options: eps='nan': {OPTION}"),
    ("recipe.optimizer_options.eps=1,", f"recipe.optimizer_options: eps='1,': {OPTION}"),
    ("recipe.optimizer_options.a.b=1", "recipe.optimizer_options: 'a.b': an option has a name, as eps"),
    ("recipe.ema=1", "recipe.ema='1': input should be less than 1"),
    ("recipe.ema.d=1", "recipe.ema.d: no such knob; did you mean 'recipe.ema'?"),
    ("recipe.clip_grad_norm=0", "recipe.clip_grad_norm='0': input should be greater than 0"),
    ("recipe.mixup=-0.2", "recipe.mixup='-0.2': input should be greater than 0"),
    (
        "recipe.cutmix=a,b",
        "recipe.cutmix='a,b': input should be a valid number, unable to parse string as a number",
    ),
    ("recipe=adam", "recipe=adam: no such recipe; known: sgd"),
    (
        "recipe.epochs=1.5",
        "recipe.epochs='1.5': input should be a valid integer, unable to parse string as an integer",
    ),
    ("placement.stages=3,1", STAGES + "(3, 1)"),
    ("placement.stages=1,1", STAGES + "(1, 1)"),
    ("placement.stages=0", STAGES + "(0,)"),
    ("placement.stages=", STAGES + "()"),
    ("placement=every_block placement.stages=1", "placement.stages: no such knob; 'every_block' has no knobs"),
    ("backbone.depth=9", "backbone: depth must be 6n + 2 (8, 14, 20, 32, 44, 56, 110), got 9"),
    (
        "backbone=preresnet backbone.depth=109",
        "backbone: depth must be 9n + 2 (11, 20, 29, 56, 110, 164, 1001), got 109",
    ),
    (
        "backbone=densenet_bc backbone.depth=98",
        "backbone: depth must be 6n + 4 (10, 16, 22, 40, 100, 190, 250), got 98",
    ),
    ("backbone=mobilenet_v1 backbone.width=0", "backbone.width='0': input should be greater than 0"),
    ("backbone=resnet18 backbone.stem=big", "backbone.stem='big': input should be 'small' or 'imagenet'"),
    ("backbone=wrn28 backbone.widen_factor=0", "backbone.widen_factor='0': input should be greater than or equal to 1"),
    ("backbone=resnet5", "backbone=resnet5: no such backbone; did you mean 'resnet50'?"),
    ("backbone=none", f"backbone=none: no such backbone; known: {BACKBONES}"),
    ("dataset=image_folder", "dataset.name: must be given"),
    ("dataset=cifar10 dataset.size=5", "dataset.size: no such knob; known: train"),
    ("seed=-1", "seed='-1': input should be greater than or equal to 0"),
    ("score_on=train", "score_on='train': input should be 'test' or 'held_out'"),
]


@pytest.mark.parametrize(("text", "message"), SETTINGS, ids=[text for text, _ in SETTINGS])
def test_settings(text, message):
    given = dict(pair.split("=", 1) for pair in text.split())
    with pytest.raises(ConfigError) as caught:
        with_settings(Run(attention=BAMSpec()), given)
    assert str(caught.value) == message


def test_a_knob_of_no_attention():
    with pytest.raises(ConfigError) as caught:
        with_settings(Run(), {"attention.reduction": "8"})
    assert str(caught.value) == ("attention.reduction=8: this run has no attention; set it first, as in attention=bam")


DATA = [
    ({"sed": 3}, "sed: no such knob; did you mean 'seed'?"),
    ({"backbone": 3}, "backbone=3: must be an object with a 'kind'"),
    ({"backbone": None}, "backbone=None: must be an object with a 'kind'"),
    ({"attention": {"reduction": 8}}, "attention={'reduction': 8}: must be an object with a 'kind'"),
    ({"attention": {"kind": ["bam"]}}, "attention={'kind': ['bam']}: must be an object with a 'kind'"),
    ({"attention": {"kind": "bamm"}}, "attention=bamm: no such attention; did you mean 'bam'?"),
    (
        {"attention": {"kind": "bam", "dilaton": 2}},
        "attention.dilaton: no such knob; did you mean 'attention.dilation'?",
    ),
    ({"seed": "x"}, "seed='x': input should be a valid integer, unable to parse string as an integer"),
]


@pytest.mark.parametrize(("data", "message"), DATA, ids=[message for _, message in DATA])
def test_data(data, message):
    with pytest.raises(ConfigError) as caught:
        from_dict(data)
    assert str(caught.value) == message


def test_construct_without_a_place():
    with pytest.raises(ConfigError) as caught:
        construct(BAMSpec, {"reduction": 0}, "")
    assert str(caught.value) == "reduction=0: input should be greater than or equal to 1"


def test_specs_are_frozen_and_take_names_only():
    with pytest.raises(AttributeError, match="cannot assign to field 'reduction'"):
        BAMSpec().reduction = 8
    with pytest.raises(Exception, match="Unexpected positional argument"):
        BAMSpec(8)


@pytest.mark.parametrize("branches", ["channel", "spatial"])
def test_zero_and_product_meet_only_where_there_are_two_branches(branches):
    assert "combine" in BAMSpec(init="zero", combine="product", branches=branches).idle()
