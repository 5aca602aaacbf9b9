"""What is measured of a trained network, and that it is left as it was."""

from __future__ import annotations

import copy
import random
import time

import pytest
import torch
from torch import nn

from lightning_bam.config import BAMSpec, Digits, DigitScenes, FasterRCNN, Recipe, Run, SmallResNet
from lightning_bam.training import timing
from lightning_bam.training.tasks import module_of

CPU = torch.device("cpu")
RUN = Run(dataset=Digits(), backbone=SmallResNet(width=4), attention=BAMSpec(reduction=2, dilation=1))


def test_weights_statistics_modes_and_random_streams_stay():
    module = module_of(RUN)
    module.network.append_dropout = nn.Dropout(0.5)  # some modules are in eval mode, and stay there
    module.network.append_dropout.eval()
    before, modes = copy.deepcopy(module.state_dict()), [one.training for one in module.modules()]
    torch.manual_seed(7)
    random.seed(7)
    drawn = torch.rand(3), random.random()
    torch.manual_seed(7)
    random.seed(7)
    assert timing.latency(module, CPU) > 0
    assert torch.equal(torch.rand(3), drawn[0])
    assert random.random() == drawn[1]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert [one.training for one in module.modules()] == modes
    assert len(set(modes)) == 2


def test_it_is_the_median_of_passes_after_the_warm_up(monkeypatch):
    """Passes take 100 s, three times, which do not count; then 1, 2, 3 ... ms in an order of its own."""
    module, clock = module_of(RUN), [0.0]
    left = [100.0] * 3 + [number / 1000 for number in (5, 1, 4, 2, 3, *range(6, 51))]

    def forward(_):
        clock[0] += left.pop(0)

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(type(module), "forward", lambda _, image: forward(image))
    assert timing.latency(module, CPU) == pytest.approx(0.0075)
    assert len(left) == 50 - 14, "1 + 2 + ... + 14 ms is the first sum above 0.1 s"


def test_a_slow_network_is_passed_a_few_times(monkeypatch):
    module, clock, calls = module_of(RUN), [0.0], []

    def forward(image):
        assert image.shape == (1, 1, 8, 8)
        calls.append(torch.is_grad_enabled() or module.network.training)
        clock[0] += 2.0

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(type(module), "forward", lambda _, image: forward(image))
    assert timing.latency(module, CPU) == 2.0
    assert calls == [False] * (timing.WARM_UP + timing.LEAST)


def test_a_detector_gets_a_list_of_one_image():
    run = Run(dataset=DigitScenes(), backbone=FasterRCNN(trunk=SmallResNet(width=4)), recipe=Recipe(epochs=1))
    assert timing.latency(module_of(run), CPU) > 0


def test_a_measure_that_fails_ends_no_run(monkeypatch):
    def broken(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(timing, "latency", broken)
    monkeypatch.setenv("BAM_RANKS_HERE", "3")
    monkeypatch.setattr(timing, "processor", lambda: "AMD EPYC")
    found = timing.cost(module_of(RUN), CPU, 64, trained=True)
    assert found == {"images": 64, "ranks_here": 3, "processor": "AMD EPYC"}, "a CPU has no peak of its own"
