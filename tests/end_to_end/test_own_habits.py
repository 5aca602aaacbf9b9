"""How people write modules: hints as text, prints, lazy layers, and mistakes in odd places; a run, or one line."""

from pathlib import Path

import pytest

from analysis.cli import main
from lightning_bam.config.spec import forget_own

STUDY = """
from __future__ import annotations

from dataclasses import replace
from typing import Literal, Optional

import torch
from torch import nn

from lightning_bam import AttentionSpec, Digits, Recipe, Run, SmallResNet, spec
from studies import Study

print("read")


class Gate(nn.Module):
    def __init__(self, channels: int, mode: str) -> None:
        super().__init__()
        print("built")
        self.mode, self.layer = mode, nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (torch.sigmoid if self.mode == "sigmoid" else torch.tanh)(self.layer(x))


@spec
class MyGate(AttentionSpec):
    width: int
    mode: Literal["sigmoid", "tanh"] = "sigmoid"
    extra: Optional[int] = None

    def build(self, channels: int) -> nn.Module:
        return Gate(channels, self.mode)


base = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=1, batch_size=64, crop_padding=0, flip=False),
)
STUDY = Study(
    name="habits",
    question="Which gate?",
    rows={"none": base} | {mode: replace(base, attention=MyGate(width=3, mode=mode)) for mode in ("sigmoid", "tanh")},
    baseline="none",
    scientific=("attention", "attention.mode"),
    seeds=1,
)
"""
WHERE = ["--root", "runs", "--devices", "cpu:2", "--wandb", "off"]


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("study.py")
    path.write_text(STUDY)
    yield path
    forget_own()


def test_hints_as_text_and_prints_do_no_harm(study, capsys):
    assert main(["plan", "study.py"]) == 0
    assert "5,234" in capsys.readouterr().out
    assert main(["run", "study.py", *WHERE, "--only", "attention.mode=tanh"]) == 0
    assert main(["table", "study.py", "--root", "runs", "--format", "csv"]) == 0
    assert "habits,tanh,5234," in capsys.readouterr().out, "5142, and (c + 1) c of each gate, c = 4 and 8"


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("nn.Conv2d(channels, channels, 1)", "nn.LazyConv2d(channels, 1)", "'layer.weight' has no shape before"),
        (
            "    def forward",
            "    def state_dict(self, *args, **kwargs):\n        raise KeyError('mine')\n\n    def forward",
            "KeyError: 'mine'",
        ),
    ],
)
def test_a_mistake_in_an_odd_place_is_one_line(study, capsys, before, after, line):
    study.write_text(STUDY.replace(before, after))
    assert main(["run", "study.py", *WHERE]) == 2
    assert line in capsys.readouterr().err
