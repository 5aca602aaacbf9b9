"""Versions that do not fit, ranks that do not meet, GPUs that torch cannot use, and how much memory there is."""

from __future__ import annotations

from importlib import metadata

import pytest
import torch

from studies.doctor import machine, torch_probe
from tests.studies.doctor.distribution import distribution


def test_versions_that_do_not_fit(tmp_path, monkeypatch):
    (good,) = machine.versions()
    assert good.level == "ok"
    assert f"torch {metadata.version('torch')}, torchvision {metadata.version('torchvision')}" in good.found
    distribution(tmp_path, "torchvision", "0.40.0", "torch==2.99.0", "pillow", 'gdown>=4; extra == "gdown"')
    distribution(tmp_path, "psutil", "5.0.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {finding.found: finding for finding in machine.versions()}
    version = metadata.version("torch")
    pair = found[f"torch {version}, but torchvision 0.40.0 needs ==2.99.0"]
    assert (pair.level, pair.mend) == ("problem", "pip install 'torch==2.99.0'")
    bound = next(f for text, f in found.items() if text.startswith("psutil 5.0.0, but lightning-bam "))
    assert bound.mend == "pip install 'psutil>=5.9'"
    assert len(found) == 2


def test_a_package_that_is_missing(tmp_path, monkeypatch):
    distribution(tmp_path, "torchvision", "0.40.0", "no-such-package")
    monkeypatch.syspath_prepend(str(tmp_path))
    (found,) = machine.versions()
    assert found.found == "no no-such-package, but torchvision 0.40.0 needs one"


def test_memory(monkeypatch):
    (found,) = machine.memory()
    assert found.found.split()[1:3] == ["GiB", "free"]
    monkeypatch.setattr(machine, "free_memory", lambda: 2 * machine.GIB)
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(machine, "visible_gpus", list)
    (found,) = machine.memory()
    assert (found.level, found.mend) == ("warning", "--devices cpu:2")
    monkeypatch.setattr(machine, "free_memory", lambda: machine.GIB // 2)
    (found,) = machine.memory()
    assert (found.level, found.found) == ("problem", "0.5 GiB free; one run on a CPU takes about 1 GiB")


def test_a_gpu_that_torch_cannot_use(monkeypatch):
    if torch.cuda.device_count():
        pytest.skip("torch uses the GPU that is here")
    monkeypatch.setattr(torch_probe, "visible_gpus", lambda: [0])
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    _, found = torch_probe.devices(None)
    assert found.level == "problem"
    assert found.found.startswith("1 there, torch (CUDA 13.0) uses none: ")
    assert found.mend.startswith("update the NVIDIA driver, or install torch")
    monkeypatch.setattr(torch.version, "cuda", None)
    _, found = torch_probe.devices(None)
    assert found.found.startswith("1 there, torch (no CUDA) uses none: ")
