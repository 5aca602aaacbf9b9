from __future__ import annotations

import os

import pytest

from lightning_bam.cores import cores
from studies.errors import StudyError
from studies.job.devices import Slot, parse_devices, slots, visible_gpus


def test_parse():
    assert parse_devices("0,2,3") == [0, 2, 3]
    assert parse_devices("0 2, 3") == [0, 2, 3]
    assert parse_devices("cpu") == [None]
    assert parse_devices("cpu:3") == [None] * 3


def test_default_is_every_gpu_else_every_core(monkeypatch, tmp_path):
    monkeypatch.setattr("studies.job.devices.DEVICE_FILES", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert parse_devices(None) == [None] * cores(), "there is no GPU, whatever the variable says"
    for name in ("nvidia0", "nvidia1", "nvidia7", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert parse_devices(None) == [0, 1], "indices are those that the process sees"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus() == [0, 1, 2]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []
    assert parse_devices(None) == [None] * cores()
    assert 1 <= cores() <= os.cpu_count()


@pytest.mark.parametrize("text", ["gpu", "0,", "0,0", "cpu:0", "cpu:x", "-1", "", "cpu:1000"])
def test_nonsense(text):
    with pytest.raises(StudyError, match=rf"^--devices {text or repr(text)}: give GPU indices like 0,1"):
        parse_devices(text)


def test_slots():
    assert slots([0, 1, 2, 3], 2) == [Slot(2, (0, 1)), Slot(2, (2, 3))]
    assert slots([None, None], 2) == [Slot(2)]
    assert slots([0, 1], 1, 2) == [Slot(1, (0,), 1, 2), Slot(1, (1,), 1, 2)] * 2
    assert Slot(2).device == "cpu"
    assert Slot(1, (3,)).device == "cuda"
    with pytest.raises(StudyError, match="--devices-per-run 2: 3 devices cannot be cut into runs of 2"):
        slots([0, 1, 2], 2)
