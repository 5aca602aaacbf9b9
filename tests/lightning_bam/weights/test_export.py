"""What leaves the house works without it: loaded in an interpreter that cannot import this project."""

from dataclasses import replace

import pytest
import torch
import torchvision

from analysis.cli.verbs.export import SUFFIXES
from lightning_bam import (
    CIFAR100,
    RELEASED_BAM,
    AfterStages,
    BAMSpec,
    CBAMSpec,
    ConfigError,
    CoordinateAttentionSpec,
    Digits,
    DigitScenes,
    ECASpec,
    EveryBlock,
    FasterRCNN,
    FolderError,
    GatherExciteSpec,
    GlobalContextSpec,
    PreResNet,
    ResNet18,
    ResNet50,
    ResNet101,
    ResNeXt50,
    Run,
    SESpec,
    SimAMSpec,
    SmallResNet,
    Torchvision,
    TripletAttentionSpec,
    build,
)
from lightning_bam.weights.export import FORMATS, TORCHVISION, export, torchvision_name
from lightning_bam.weights.state_dicts import load_network
from tests.lightning_bam.attention.contract import image, randomise
from tests.lightning_bam.weights.authors import authors


def network_of(run):
    """The network of a run with weights and statistics that no initialisation gives, in 32 bits."""
    torch.manual_seed(0)
    network = build(run)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            randomise(layer)
    return network.float().eval()


def keep_logits(network, shape, file):
    x = image(3, *shape).float()
    with torch.no_grad():
        y = network(x)
    assert y.std() > 1e-3
    torch.save({"x": x, "y": y}, file)


def test_the_command_knows_the_forms():
    assert list(SUFFIXES) == list(FORMATS)


def test_a_state_dict_is_plain(trained, tmp_path):
    run, network = load_network(trained)
    assert export(run, network, "state-dict", tmp_path / "w.pt").startswith("the state dict of")
    state = torch.load(tmp_path / "w.pt", weights_only=True)
    assert all(type(value) is torch.Tensor for value in state.values())
    fresh = build(run)
    fresh.load_state_dict(state)
    x = image(2, 1, 8, 8).float()
    with torch.no_grad():
        assert torch.equal(fresh.eval()(x), network(x))


def test_torchvision_loads_it_without_this_package(bare, tmp_path):
    backbones = {
        "resnet18": ResNet18(stem="imagenet"),
        "resnet50": ResNet50(stem="imagenet"),
        "resnext50": ResNeXt50(),
    }
    code = ["import torch, torchvision"]
    for kind, backbone in backbones.items():
        run = Run(dataset=CIFAR100(), backbone=backbone)
        network = network_of(run)
        keep_logits(network, (3, 45, 71), tmp_path / f"{kind}.expected")
        use = export(run, network, "torchvision", tmp_path / f"{kind}.pt")
        made, load = use.split(".load_state_dict", 1)
        assert made == f"torchvision.models.{TORCHVISION[kind]}(num_classes=100)"
        assert load == "(torch.load(FILE, weights_only=True))"
        code += [
            f"network = {made}.eval()",
            f"network.load_state_dict{load.replace('FILE', repr(f'{kind}.pt'))}",
            f"kept = torch.load('{kind}.expected', weights_only=True)",
            "with torch.no_grad():",
            "    torch.testing.assert_close(network(kept['x']), kept['y'], rtol=1e-5, atol=1e-5)",
        ]
    bare("\n".join(code), tmp_path)


@pytest.mark.parametrize("kind", TORCHVISION)
def test_every_name_is_torchvisions(kind):
    from lightning_bam.config import KINDS

    cls = KINDS["backbone"][kind]
    backbone = cls(stem="imagenet") if kind.startswith("resnet") else cls()
    with torch.device("meta"):
        ours = build(Run(dataset=CIFAR100(), backbone=backbone)).state_dict()
        theirs = torchvision.models.get_model(TORCHVISION[kind], num_classes=100).state_dict()
    assert {name: value.shape for name, value in ours.items()} == {n: v.shape for n, v in theirs.items()}


IMAGENET_STEM = Run(dataset=CIFAR100(), backbone=ResNet18(stem="imagenet"))


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (
            replace(IMAGENET_STEM, attention=BAMSpec()),
            "^torchvision has no resnet18 with attention=bam; use --format st",
        ),
        (
            replace(IMAGENET_STEM, backbone=ResNet18()),
            r"^torchvision has no ResNet18\(.*stem='small'.*\) for 3 channels; ",
        ),
        (replace(IMAGENET_STEM, backbone=ResNet50(stem="imagenet", stride_on="1x1")), "stride_on='1x1'"),
        (replace(IMAGENET_STEM, backbone=ResNet18(stem="imagenet", width=96)), "width=96"),
        (replace(IMAGENET_STEM, backbone=PreResNet()), r"^torchvision has no PreResNet\("),
        (replace(IMAGENET_STEM, dataset=Digits()), "for 1 channels"),
    ],
    ids=["attention", "stem", "stride", "width", "preresnet", "channels"],
)
def test_what_torchvision_has_not_is_refused(run, said):
    with pytest.raises(ConfigError, match=said):
        torchvision_name(run)


AUTHORS = Run(dataset=CIFAR100(), backbone=ResNet18(), attention=RELEASED_BAM)


def test_a_network_of_torchvision_by_name_has_that_name():
    run = Run(backbone=Torchvision(name="shufflenet_v2_x0_5"))
    assert torchvision_name(run) == "shufflenet_v2_x0_5"
    torchvision.models.shufflenet_v2_x0_5(num_classes=10).load_state_dict(build(run).state_dict())
    for other in (replace(run, dataset=Digits()), replace(run, backbone=Torchvision(name="googlenet"))):
        with pytest.raises(ConfigError, match="torchvision has no Torchvision"):
            torchvision_name(other)


def test_the_authors_form_loads_into_their_network_inside_data_parallel(tmp_path):
    network = network_of(AUTHORS)
    export(AUTHORS, network, "authors", tmp_path / "w.pt")
    theirs = torch.nn.DataParallel(authors("resnet18", 100, imagenet=False))
    theirs.load_state_dict(torch.load(tmp_path / "w.pt", weights_only=True)["state_dict"])
    x = image(2, 3, 19, 29)
    with torch.no_grad():
        torch.testing.assert_close(theirs.module.double()(x), network.double()(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "run",
    [
        replace(AUTHORS, attention=replace(RELEASED_BAM, init="kaiming")),
        replace(AUTHORS, placement=AfterStages(stages=(1, 2, 3))),
    ],
    ids=["init", "stages"],
)
def test_what_changes_no_structure_is_still_the_authors(run, tmp_path):
    export(run, network_of(run), "authors", tmp_path / "w.pt")
    authors("resnet18", 100, imagenet=False).load_state_dict(
        {k.removeprefix("module."): v for k, v in torch.load(tmp_path / "w.pt")["state_dict"].items()}
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"attention": None}, "attention=None"),
        ({"attention": SESpec()}, "attention=SESpec"),
        ({"attention": BAMSpec()}, "norm='ends'"),
        ({"attention": replace(RELEASED_BAM, dilation=2)}, "dilation=2"),
        ({"placement": EveryBlock()}, "EveryBlock"),
        ({"placement": AfterStages(stages=(1,))}, r"AfterStages\(stages=\(1,\)\)"),
        ({"backbone": SmallResNet(width=16)}, "SmallResNet"),
        ({"backbone": ResNet18(width=32)}, "width=32"),
        ({"backbone": ResNet101(stride_on="1x1")}, "stride_on='1x1'"),
        ({"dataset": Digits()}, "for 1 channels"),
    ],
    ids=str,
)
def test_what_the_authors_have_not_is_refused(change, said, tmp_path):
    with pytest.raises(ConfigError, match=f"^the authors' code has no such network: .*{said}"):
        export(replace(AUTHORS, **change), torch.nn.Identity(), "authors", tmp_path / "w.pt")
    assert not list(tmp_path.iterdir())


PROGRAMS = {
    "plain": Run(dataset=Digits(), backbone=SmallResNet(width=4)),
    "bam": Run(dataset=Digits(), backbone=SmallResNet(width=4), attention=BAMSpec(reduction=4)),
    "maps": Run(dataset=Digits(), backbone=SmallResNet(width=4), attention=BAMSpec(reduction=4, norm="maps")),
    "every_block": Run(
        dataset=Digits(),
        backbone=SmallResNet(width=8),
        attention=BAMSpec(reduction=4, combine="max"),
        placement=EveryBlock(),
    ),
    "cbam": Run(dataset=CIFAR100(), backbone=PreResNet(depth=20), attention=CBAMSpec(reduction=4)),
    **{
        spec.kind: Run(dataset=Digits(), backbone=SmallResNet(width=4), attention=spec)
        for spec in (
            ECASpec(),
            SimAMSpec(unbiased=True),
            CoordinateAttentionSpec(),
            GlobalContextSpec(reduction=1, fusion="both"),
            TripletAttentionSpec(),
            GatherExciteSpec(extent=2, gather="conv"),
        )
    },
}


def test_programs_run_with_torch_alone_on_any_number_of_images(bare, tmp_path):
    for name, run in PROGRAMS.items():
        network = network_of(run)
        keep_logits(network, run.dataset.shape, tmp_path / f"{name}.expected")
        use = export(run, network, "program", tmp_path / f"{name}.pt2")
        assert use.startswith("torch.export.load(FILE).module()(images) for images (N, ")
    assert len(list(tmp_path.iterdir())) == 2 * len(PROGRAMS)
    bare(
        "import torch\n"
        f"for name in {list(PROGRAMS)!r}:\n"
        "    kept = torch.load(f'{name}.expected', weights_only=True)\n"
        "    network = torch.export.load(f'{name}.pt2').module()\n"
        "    for n in (1, 2, 3):\n"
        "        torch.testing.assert_close(network(kept['x'][:n]), kept['y'][:n], rtol=1e-5, atol=1e-5)\n"
        "    seven = torch.cat([kept['x'], kept['x'], kept['x'][:1]])\n"
        "    torch.testing.assert_close(network(seven)[3:6], kept['y'], rtol=1e-5, atol=1e-5)\n",
        tmp_path,
        without=("torchvision", "pytorch_lightning"),
    )


def test_a_detector_has_no_program(tmp_path):
    run = Run(dataset=DigitScenes(), backbone=FasterRCNN())
    with pytest.raises(ConfigError) as caught:
        export(run, torch.nn.Identity(), "program", tmp_path / "net.pt2")
    assert str(caught.value) == "backbone=faster_rcnn: a detector has no program; use --format state-dict"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["state-dict", "program"])
def test_missing_folders_are_made(form, trained, tmp_path):
    run, network = load_network(trained)
    export(run, network, form, tmp_path / "new" / "folder" / "w.pt2")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["w.pt2"]


@pytest.mark.parametrize("form", ["state-dict", "program"])
def test_a_file_that_cannot_be_written(form, trained, tmp_path):
    (tmp_path / "file").write_text("")
    run, network = load_network(trained)
    with pytest.raises(FolderError, match="cannot be written"):
        export(run, network, form, tmp_path / "file" / "w.pt")
