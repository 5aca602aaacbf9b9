"""A step of every network with every slot on a GPU: deterministic throughout, the CPU's in 64 bits, finite in bf16."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lightning_bam import ClutteredDigits, ConfigError, Run, build
from lightning_bam.training.image_module import memory_format
from tests.lightning_bam.training.test_every_network import NETWORKS, SLOTS

ROUNDED = 1e-5
"""How near a network with h-swish comes in 64 bits: CUDA's takes 1/6 in 32 (3e-6, where a CPU was made to)."""


def network(run, device, dtype=torch.float32):
    made = build(run)
    return made.to(device, dtype, memory_format=memory_format(made))


def step(net, images, labels):
    """Return the loss and every gradient, on the CPU; dropout is the same each time."""
    net.zero_grad()
    torch.manual_seed(3)
    loss = F.cross_entropy(net(images.contiguous(memory_format=memory_format(net))).to(images.dtype), labels)
    loss.backward()
    return loss.detach().cpu(), {name: weight.grad.cpu() for name, weight in net.named_parameters()}


@pytest.fixture
def strict(monkeypatch):
    """Refuse any operation that may not give the same each time."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step(name, slot):
    run = Run(dataset=ClutteredDigits(), backbone=NETWORKS[name], **SLOTS[slot], seed=3)
    try:
        net = network(run, "cuda")
    except ConfigError:
        assert (name, slot) == ("densenet_bc", "extra block")
        return
    torch.manual_seed(5)
    images, labels = torch.randn(6, *run.dataset.shape), torch.randint(0, 10, (6,))
    here = images.cuda(), labels.cuda()
    loss, gradients = step(net, *here)
    again, same = step(net, *here)
    assert torch.equal(loss, again)
    assert [key for key in gradients if not torch.equal(gradients[key], same[key])] == []
    with torch.autocast("cuda", torch.bfloat16):
        halved, halves = step(net, *here)
    assert torch.isfinite(halved)
    assert [key for key, grad in halves.items() if not torch.isfinite(grad).all()] == []
    if "Dropout" not in str(net):
        near = ROUNDED if "Hardswish" in str(net) else 1e-9
        exact, theirs = step(network(run, "cpu", torch.float64), images.double(), labels)
        ours, gradients = step(network(run, "cuda", torch.float64), here[0].double(), here[1])
        assert float(ours) == pytest.approx(float(exact), rel=near)
        scale = max(float(grad.abs().max()) for grad in theirs.values())
        apart = max((float((gradients[key] - grad).abs().max()) / scale, key) for key, grad in theirs.items())
        assert apart < (near,)
