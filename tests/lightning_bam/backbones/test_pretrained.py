"""Weights from a file that the user names: all of them, or one line."""

import hashlib

import pytest
import torch
from torchvision import models

from lightning_bam import BAMSpec, ClutteredDigits, ConfigError, Digits, Run, Timm, Torchvision, build
from lightning_bam.backbones.pretrained import unpretrained
from lightning_bam.weights.state_dicts import load_network, save_model

NAME = "shufflenet_v2_x0_5"


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    return tmp_path


def state(classes=10, seed=11):
    """Return the state dict of another drawing of the network, with running statistics that no drawing has."""
    torch.manual_seed(seed)
    weights = models.get_model(NAME, num_classes=classes).state_dict()
    return {name: value + 0.25 if name.endswith("running_mean") else value for name, value in weights.items()}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def written(path, content):
    torch.save(content, path)
    return Torchvision(name=NAME, weights=path.name, sha256=digest(path)[:16])


def differing(network, weights):
    return sorted(name for name, value in network.state_dict().items() if not torch.equal(value, weights[name]))


def refusal(backbone, dataset=ClutteredDigits()):  # noqa: B008
    with pytest.raises(ConfigError) as caught:
        build(Run(dataset=dataset, backbone=backbone))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "wrap", [lambda weights: weights, lambda w: {"state_dict": w, "epoch": 3}, lambda w: {"model": w}]
)
def test_every_tensor_is_the_file_s(root, wrap):
    weights = state()
    network = build(Run(backbone=written(root / "w.pth", wrap(weights))))
    assert differing(network, weights) == []
    assert network.pretrained == f"w.pth (sha256 {digest(root / 'w.pth')[:16]}): {len(weights)} tensors"


def test_the_last_layer_of_other_classes_stays_as_it_was_drawn_and_is_noted(root):
    weights = state(classes=7)
    run = Run(backbone=written(root / "w.pth", weights), seed=3)
    network, drawn = build(run), build(unpretrained(run)).state_dict()
    fc = {name: drawn[name] for name in ("fc.weight", "fc.bias")}
    assert differing(network, weights | fc) == []
    assert network.pretrained.endswith(f": {len(weights) - 2} tensors, fc.weight, fc.bias drawn")


def test_it_is_the_same_with_attention_in_it(root):
    weights = state()
    attended = build(
        Run(backbone=written(root / "w.pth", weights), attention=BAMSpec(reduction=4), placement=at("stage2"))
    )
    kept = {name: value for name, value in attended.state_dict().items() if ".attention." not in name}
    assert kept.keys() == weights.keys()
    assert all(torch.equal(kept[name], value) for name, value in weights.items())


def at(*layers):
    from lightning_bam import AtLayers

    return AtLayers(layers=layers)


def test_a_file_without_counters_as_old_ones_are_is_whole(root):
    weights = {name: value for name, value in state().items() if not name.endswith("num_batches_tracked")}
    network = build(Run(backbone=written(root / "w.pth", weights)))
    assert all(torch.equal(network.state_dict()[name], value) for name, value in weights.items())


def test_safetensors(root):
    safetensors = pytest.importorskip("safetensors.torch")
    weights, path = state(), root / "w.safetensors"
    safetensors.save_file(weights, path)
    backbone = Torchvision(name=NAME, weights=str(path), sha256=digest(path))
    assert differing(build(Run(backbone=backbone)), weights) == []
    path.write_bytes(path.read_bytes()[:1000])
    torn = Torchvision(name=NAME, weights=str(path), sha256=digest(path))
    assert refusal(torn).startswith(f"backbone.weights: {path}: torn, or not written by safetensors (")


def test_timm_s_own_names_and_head(root):
    timm = pytest.importorskip("timm")
    torch.manual_seed(11)
    weights = timm.create_model("test_efficientnet", num_classes=7).state_dict()
    torch.save(weights, root / "w.pth")
    run = Run(backbone=Timm(name="test_efficientnet", weights="w.pth", sha256=digest(root / "w.pth")))
    network, drawn = build(run), build(unpretrained(run)).state_dict()
    head = {name: drawn[name] for name in ("classifier.weight", "classifier.bias")}
    assert differing(network, weights | head) == []


def test_a_file_that_is_not_the_one_that_was_meant_is_one_line(root):
    path = root / "w.pth"
    backbone = written(path, state())
    written(path, state(seed=12))
    assert refusal(backbone) == (
        f"backbone.weights: {path}: its SHA-256 is {digest(path)}, not {backbone.sha256} ...; "
        "name the file that was meant"
    )
    path.unlink()
    assert refusal(backbone) == f"backbone.weights: {path}: no such file"
    path.mkdir()
    assert refusal(backbone) == f"backbone.weights: {path}: cannot be read (Is a directory)"


class Evil:
    def __reduce__(self):
        return print, ("ran",)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (lambda: {**state(), "fc.gain": torch.ones(3)}, "1 differences, unknown fc.gain (3,)"),
        (
            lambda: {name: value for name, value in state().items() if name != "conv5.0.weight"},
            "1 differences, missing conv5.0.weight (1024, 192, 1, 1)",
        ),
        (
            lambda: state() | {"conv1.0.weight": torch.ones(24, 1, 3, 3)},
            "1 differences, shape conv1.0.weight (24, 1, 3, 3), wanted (24, 3, 3, 3)",
        ),
        (lambda: state() | {"conv1.0.weight": "text"}, "1 differences, shape conv1.0.weight str, wanted (24, 3, 3, 3)"),
        (lambda: [1, 2], "holds list, not a state dict"),
        (lambda: {"fc.weight": Evil()}, "print run, and weights need no code"),
    ],
    ids=["unknown", "missing", "shape", "text", "list", "code"],
)
def test_anything_else_that_does_not_fit_is_one_line(root, content, line, capsys):
    message = refusal(written(root / "w.pth", content()))
    assert message.startswith(f"backbone.weights: {root / 'w.pth'}: ")
    assert message.endswith(line)
    assert "ran" not in capsys.readouterr().out


def test_weights_for_colour_do_not_fit_grey_images(root):
    message = refusal(written(root / "w.pth", state()), Digits())
    assert message == (
        f"backbone.weights: {root / 'w.pth'}: not the weights of backbone=torchvision {NAME}: 1 differences, shape "
        "conv1.0.weight (24, 3, 3, 3), wanted (24, 1, 3, 3)"
    )


def test_counting_reads_no_file(root):
    with torch.device("meta"):
        build(Run(backbone=Torchvision(name=NAME, weights="missing.pth", sha256="0" * 16)))


def test_a_trained_network_needs_the_file_no_more(root, tmp_path):
    run = Run(backbone=written(root / "w.pth", state()))
    network = build(run)
    save_model(tmp_path / "model", run, network)
    (root / "w.pth").unlink()
    described, loaded = load_network(tmp_path / "model")
    assert described == run
    assert differing(loaded, network.state_dict()) == []
