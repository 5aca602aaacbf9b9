"""The authors' checkpoints in and out, against an oracle with their names."""

import hashlib
import json
import os
from pathlib import Path

import pytest
import torch

from lightning_bam import BAM, ConfigError, FolderError
from lightning_bam.weights.authors_checkpoint import (
    BACKBONES,
    DATASETS,
    authors_name,
    import_checkpoint,
    released_run,
    to_authors,
)
from lightning_bam.weights.state_dicts import load_network
from tests.lightning_bam.attention.contract import image, randomise
from tests.lightning_bam.weights.authors import Module, authors, checkpoint


@pytest.fixture(scope="module")
def cifar():
    return authors("resnet18", 100, imagenet=False)


@pytest.fixture
def file(cifar, tmp_path):
    torch.save(checkpoint(cifar, optimizer={"state": {}, "param_groups": []}), tmp_path / "theirs.pth")
    return tmp_path / "theirs.pth"


def load_cifar(file, output, **more):
    return import_checkpoint(file, output, backbone="resnet18", dataset="cifar100", **more)


@pytest.mark.parametrize("size", [(7, 7), (5, 11)], ids=str)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_one_module_with_equal_weights_is_the_authors_forward_and_gradient(size, training):
    c = 37
    theirs = randomise(Module(c)).train(training)
    ours = BAM(c, norm="hidden", combine="product").double().train(training)
    named = {authors_name(f"layer1.attention.{name}").removeprefix("bam1."): name for name in ours.state_dict()}
    ours.load_state_dict({named[name]: value.clone() for name, value in theirs.state_dict().items()})
    x = image(3, c, *size).requires_grad_()
    got, wanted = ours(x), theirs(x)
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)
    parameters = dict(ours.named_parameters())
    pairs = [(parameters[named[name]], weight) for name, weight in theirs.named_parameters()]
    assert len(pairs) == len(parameters)
    cotangent = image(*got.shape, seed=2)
    grads = torch.autograd.grad(got, [x, *(one for one, _ in pairs)], cotangent)
    their_grads = torch.autograd.grad(wanted, [x, *(other for _, other in pairs)], cotangent)
    for one, other in zip(grads, their_grads, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    for name, kept in theirs.named_buffers():
        torch.testing.assert_close(ours.state_dict()[named[name]], kept, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "dataset", "size"),
    [("resnet50", "imagenet", (67, 97)), ("resnet18", "cifar100", (19, 29)), ("resnet34", "cifar10", (17, 13))],
)
def test_an_imported_network_gives_the_authors_logits_and_goes_back(name, dataset, size, tmp_path):
    classes = {"imagenet": 1000, "cifar100": 100, "cifar10": 10}[dataset]
    theirs = authors(name, classes, imagenet=dataset == "imagenet", seed=3)
    torch.save(checkpoint(theirs), tmp_path / "best.pth.tar")
    imported, notes = import_checkpoint(tmp_path / "best.pth.tar", tmp_path / "model", backbone=name, dataset=dataset)
    run, ours = load_network(tmp_path / "model")
    assert run == imported == released_run(name, dataset)
    assert notes == []
    assert not ours.training
    x = image(2, 3, *size)
    with torch.no_grad():
        got, wanted = ours.double()(x), theirs.double()(x)
    assert wanted.std() > 0.01
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-6)
    back = to_authors(run, load_network(tmp_path / "model")[1])
    assert back["arch"] == name
    again = authors(name, classes, imagenet=dataset == "imagenet", seed=4)
    again.load_state_dict({key.removeprefix("module."): value for key, value in back["state_dict"].items()})
    for key, value in theirs.float().state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_the_manifest_says_where_the_weights_come_from(file, tmp_path):
    run, notes = load_cifar(file, tmp_path / "model")
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    assert manifest["origin"] == {
        "file": "theirs.pth",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "arch": "resnet50",
        "epoch": 99,
        "best_prec1": pytest.approx(75.98, abs=1e-5),
    }
    assert notes == manifest["notes"] == ["not imported: optimizer"]
    assert manifest["key"] == run.key
    assert manifest["torch"] == torch.__version__.partition("+")[0] or manifest["torch"] == torch.__version__
    weights = torch.load(tmp_path / "model" / "weights.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in weights.values())
    assert "layer3.attention.spatial.conv_out.weight" in weights


def test_a_bare_state_dict_without_prefix_and_without_counters(cifar, tmp_path):
    state = {name: value for name, value in cifar.state_dict().items() if "num_batches" not in name}
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    _, notes = load_cifar(tmp_path / "old.pth", tmp_path / "model")
    counters = len(cifar.state_dict()) - len(state)
    assert notes == [f"{counters} num_batches_tracked are absent, as in files of torch before 0.4.1: set to 0"]
    _, ours = load_network(tmp_path / "model")
    assert int(ours.bn1.num_batches_tracked) == 0
    x = image(2, 3, 19, 29).float()
    with torch.no_grad():
        torch.testing.assert_close(ours(x), cifar.float()(x), rtol=0, atol=1e-5)


def test_every_difference_is_listed(cifar, tmp_path):
    state = checkpoint(cifar)["state_dict"]
    del state["module.bam2.channel_att.gate_c.gate_c_fc_0.weight"]
    del state["module.bn1.num_batches_tracked"]
    state["module.bam4.channel_att.gate_c.gate_c_fc_0.weight"] = torch.zeros(3, 5)
    state["module.extra"] = 7
    state["module.fc.weight"] = torch.zeros(10, 512)
    torch.save({"state_dict": state}, tmp_path / "other.pth")
    with pytest.raises(ConfigError) as caught:
        load_cifar(tmp_path / "other.pth", tmp_path / "model")
    assert [str(caught.value), *caught.value.__notes__] == [
        f"{tmp_path}/other.pth: not the authors' resnet18 on cifar100: 5 differences",
        "  unknown  bam4.channel_att.gate_c.gate_c_fc_0.weight  (3, 5)",
        "  unknown  extra  int",
        "  missing  bn1.num_batches_tracked  ()",
        "  missing  bam2.channel_att.gate_c.gate_c_fc_0.weight  (8, 128)",
        "  shape    fc.weight  (10, 512), wanted (100, 512)",
    ]
    assert not (tmp_path / "model").exists()


def test_a_prefix_on_some_names_only_is_no_prefix(cifar, tmp_path):
    state = checkpoint(cifar)["state_dict"]
    state["conv1.weight"] = state.pop("module.conv1.weight")
    torch.save(state, tmp_path / "mixed.pth")
    with pytest.raises(ConfigError) as caught:
        load_cifar(tmp_path / "mixed.pth", tmp_path / "model")
    assert len(caught.value.__notes__) == 2 * (len(state) - 1)


def test_another_network_of_theirs_is_named(file, tmp_path):
    with pytest.raises(ConfigError, match="; it fits --backbone resnet18 --dataset cifar100\n"):
        import_checkpoint(file, tmp_path / "model", backbone="resnet34", dataset="cifar100")


class Wants:
    """What a pickle can do to whoever loads it."""

    def __reduce__(self):
        return (os.system, ("touch ran",))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_wants_more_than_weights_is_refused_in_one_line(cifar, tmp_path, monkeypatch, zipped):
    monkeypatch.chdir(tmp_path)
    torch.save(checkpoint(cifar, optimizer=Wants()), "evil.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(FolderError) as caught:
        load_cifar(Path("evil.pth"), Path("model"))
    assert str(caught.value) == "evil.pth: refused: it wants posix.system run, and weights need no code"
    assert not Path("ran").exists()
    assert not Path("model").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "holds list, not a state dict or a dict with one"),
        ({"state_dict": 5}, "its state_dict is int, not a state dict"),
    ],
)
def test_something_else_than_weights(content, said, tmp_path):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(FolderError, match=said):
        load_cifar(tmp_path / "x.pth", tmp_path / "model")


@pytest.mark.parametrize("keep", [0, 1, 100, 5000, -300])
def test_torn_files(file, tmp_path, keep):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(FolderError) as caught:
        load_cifar(file, tmp_path / "model")
    assert str(caught.value).startswith(f"{file}: torn, or not written by torch.save (")
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_for_files(tmp_path):
    with pytest.raises(FolderError, match="no.pth: no such file$"):
        load_cifar(tmp_path / "no.pth", tmp_path / "model")
    with pytest.raises(FolderError, match="cannot be read"):
        load_cifar(tmp_path, tmp_path / "model")


def test_a_model_is_not_overwritten(file, tmp_path):
    load_cifar(file, tmp_path / "model")
    before = (tmp_path / "model" / "weights.pt").read_bytes()
    with pytest.raises(FolderError, match="holds a network already; give another folder, or remove this one"):
        load_cifar(file, tmp_path / "model")
    assert (tmp_path / "model" / "weights.pt").read_bytes() == before


def test_each_of_their_networks_is_a_run_of_its_own():
    assert len({released_run(backbone, dataset).key for backbone in BACKBONES for dataset in DATASETS}) == 12
