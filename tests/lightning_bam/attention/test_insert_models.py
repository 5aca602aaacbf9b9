"""Attention in torchvision's own models: what changes, what must not, and what a copy is worth."""

import pickle
from copy import deepcopy

import pytest
import torch
import torchvision.models as zoo
from torch import nn

from lightning_bam import BAM, BAMSpec, insert

MODELS = {
    "resnet18": ["layer1", "layer2.0.bn2", "layer3.1"],
    "vgg11_bn": ["features.2", "features.10"],
    "densenet121": ["features.denseblock1", "features.denseblock2.denselayer3", "features.transition2"],
    "mobilenet_v2": ["features.3", "features.6.conv.0"],
    "mobilenet_v3_small": ["features.1", "features.4"],
    "shufflenet_v2_x0_5": ["stage2", "stage3.0.branch2"],
    "squeezenet1_1": ["features.4", "features.7.expand3x3"],
    "efficientnet_b0": ["features.2", "features.4.0"],
    "regnet_y_400mf": ["trunk_output.block1", "trunk_output.block2.block2-0"],
    "convnext_tiny": ["features.1", "features.2"],
    "mnasnet0_5": ["layers.8", "layers.9.0"],
    "googlenet": ["inception3a", "inception4a.branch2"],
}
MOVED = {"features.denseblock1": "features.denseblock1.layer"}
OPTIONS = {"vgg11_bn": {"init_weights": False}, "googlenet": {"aux_logits": False, "init_weights": False}}


@pytest.fixture(scope="module", params=MODELS)
def inserted(request):
    torch.manual_seed(0)
    name = request.param
    model = getattr(zoo, name)(weights=None, num_classes=11, **OPTIONS.get(name, {}))
    if name == "vgg11_bn":
        model.classifier = nn.Linear(512 * 7 * 7, 11)  # its own is nine tenths of the network
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        model(torch.randn(8, 3, 64, 64))  # statistics of its own, else the map fades away in eval mode
    model.eval()
    next(model.children()).train()  # a mode of its own, which must survive
    modes = {layer: module.training for layer, module in model.named_modules()}
    state = {key: value.clone() for key, value in model.state_dict().items()}
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before = deepcopy(model).eval()(x)
    assert insert(model, BAMSpec(reduction=4), at=MODELS[name]) is model
    after_modes = {layer: module.training for layer, module in model.named_modules()}
    after_state = {key: value.clone() for key, value in model.state_dict().items()}
    return name, model.eval(), x, before, (modes, after_modes), (state, after_state)


def moved(key, name):
    for layer, now in MOVED.items() if name == "densenet121" else ():
        if key == layer or key.startswith(layer + "."):
            return now + key[len(layer) :]
    return key


def test_output_changes_and_gradient_reaches_all_attention(inserted):
    name, model, x, before, *_ = inserted
    model.zero_grad()
    y = model(x)
    assert y.shape == before.shape
    assert (y - before).norm() > 0.01 * before.norm()
    y.square().sum().backward()
    attention = [(layer, module) for layer, module in model.named_modules() if isinstance(module, BAM)]
    assert len(attention) == len(MODELS[name])
    dead = [f"{layer}.{key}" for layer, m in attention for key, p in m.named_parameters() if not p.grad.any()]
    assert dead == []


def test_gradient_reaches_every_parameter(inserted):
    """A batch norm takes the bias of the layer before it away: its gradient is rounding, and may be exactly 0."""
    _, model, x, *_ = inserted
    trained = deepcopy(model).train()
    for module in trained.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    trained(torch.cat([x, x.flip(2), x.flip(3), x.neg()])).square().sum().backward()
    assert [key for key, weight in trained.named_parameters() if weight.grad is None] == []
    layers = [layer for layer, module in trained.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    free = {f"{layer}.bias" for layer in layers}
    assert [key for key, weight in trained.named_parameters() if key not in free and not weight.grad.any()] == []


def test_state_keys_values_and_running_statistics_are_as_before(inserted):
    name, *_, (state, after) = inserted
    assert [key for key, value in state.items() if not torch.equal(after[moved(key, name)], value)] == []
    new = set(after) - {moved(key, name) for key in state}
    assert {key.split(".attention.")[0] for key in new} == set(MODELS[name])


def test_modes_are_as_before(inserted):
    name, _, _, _, (modes, after), _ = inserted
    assert {layer: after[moved(layer, name)] for layer in modes} == modes
    for layer in MODELS[name]:
        assert after[f"{layer}.attention"] == modes[layer]
        assert after[layer] == modes[layer]


@pytest.mark.parametrize("copied", [deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"])
def test_a_copy_uses_attention_of_its_own(inserted, copied):
    _, model, x, *_ = inserted
    with torch.no_grad():
        y, copy = model(x), copied(model)
        assert torch.equal(copy(x), y)
        for module in copy.modules():
            if isinstance(module, BAM):
                module.residual = False
        assert (copy(x) - y).norm() > 0.01 * y.norm()
        assert torch.equal(model(x), y)
