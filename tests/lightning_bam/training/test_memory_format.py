"""Narrow networks are kept out of a memory format in which oneDNN writes past a buffer."""

from __future__ import annotations

import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import pytest
import torch
from torch import nn

from lightning_bam.config import ResNet50, Run, SmallResNet
from lightning_bam.network import build
from lightning_bam.training.image_module import SAFE, memory_format

DEBUG = sorted(Path("/").glob("lib/*/libc_malloc_debug.so.0")) if find_library("c") else []

STEPS = f"""
import torch
from torch import nn
from lightning_bam.training.image_module import memory_format
torch.manual_seed(0)
for width in (1, 3, 4, 5, 8, {SAFE - 1}, {SAFE}, {SAFE + 1}):
    net = nn.Conv2d(width, 2 * width, 1, stride=2)
    net = net.to(memory_format=memory_format(net))
    for side in (2, 5, 8):
        for _ in range(20):
            x = torch.randn(32, width, side, side).contiguous(memory_format=memory_format(net)).requires_grad_()
            net(x).square().mean().backward()
            kept = [torch.randn(n) for n in range(1, 300, 13)]
print("whole")
"""


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (nn.Conv2d(SAFE - 1, 32, 1, stride=2), torch.contiguous_format),
        (nn.Conv2d(2 * SAFE, 32, 1, stride=2, groups=4), torch.contiguous_format),
        (nn.Conv2d(SAFE, 32, 1, stride=2), torch.channels_last),
        (nn.Conv2d(3, 32, 1), torch.channels_last),
        (nn.Conv2d(3, 32, 3, stride=2, padding=1), torch.channels_last),
    ],
)
def test_only_a_narrow_strided_pointwise_convolution_forbids_channels_last(network, expected):
    assert memory_format(nn.Sequential(nn.ReLU(), network)) is expected


def test_the_networks_of_the_catalogue_train_in_channels_last():
    with torch.device("meta"):
        for backbone in (SmallResNet(), ResNet50()):
            assert memory_format(build(Run(backbone=backbone))) is torch.channels_last


@pytest.mark.skipif(not DEBUG, reason="needs glibc's checking malloc")
def test_no_step_corrupts_memory():
    environment = {"LD_PRELOAD": str(DEBUG[0]), "MALLOC_CHECK_": "3"}
    ended = subprocess.run([sys.executable, "-c", STEPS], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "whole\n"), ended.stderr[-500:]
