"""A module of the user's own from a study's file to its table, and what an edit of the file trains again."""

import json
import tarfile
from pathlib import Path

import pytest

from analysis.cli import main
from lightning_bam.run_folder.folder import RunFolder
from tests.studies.tracking.wandb_file import read

STUDY = '''"""Does a gate of my own help?"""

from dataclasses import replace

import torch
from torch import nn

from lightning_bam import AttentionSpec, BAMSpec, Digits, Recipe, Run, SmallResNet, spec
from studies import Study


class Gate(nn.Module):
    """Efficient channel attention, by hand."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        from pooling import pooled  # a second file

        y = self.conv(pooled(x)[:, None])[:, 0]
        return x * torch.sigmoid(y)[:, :, None, None]


@spec
class MyGate(AttentionSpec):
    kernel_size: int = 3

    def build(self, channels: int) -> nn.Module:
        return Gate(channels, self.kernel_size)


base = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=2, batch_size=64, schedule="cosine", crop_padding=0, flip=False),
)
STUDY = Study(
    name="mine",
    question="Does a gate of my own help?",
    rows={
        "none": base,
        "BAM": replace(base, attention=BAMSpec(reduction=4)),
        "mine": replace(base, attention=MyGate()),
    },
    baseline="none",
    scientific=("attention",),
    seeds=1,
)
'''
POOLING = "def pooled(x):\n    return x.mean((2, 3))\n"
SPACE = """
from study import MyGate, base
from dataclasses import replace
from studies import Space

SPACE = Space(
    name="knobs", question="Which kernel?", base=replace(base, attention=MyGate()),
    choices={"attention.kernel_size": ("1", "3", "5", "7")},
)
"""
WHERE = ["--root", "runs", "--devices", "cpu:2", "--wandb", "off"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "study.py").write_text(STUDY)
    (home / "pooling.py").write_text(POOLING)
    return home


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    monkeypatch.chdir(home)


def rows() -> dict[str, str]:
    """Return the row of each run that has a result, by its key."""
    found = {}
    for path in Path("runs").glob("*/result.json"):
        (entry,) = json.loads((path.parent / "manifest.json").read_text())["studies"].values()
        found[path.parent.name] = entry["row"]
    return found


def edit(name: str, before: str, after: str) -> None:
    text = Path(name).read_text()
    assert text.count(before) == 1, before
    Path(name).write_text(text.replace(before, after))


def trained(capsys) -> list[str]:
    """Train what is missing, and return the rows of what was trained."""
    before = rows()
    assert main(["run", "study.py", *WHERE]) == 0
    capsys.readouterr()
    return sorted(row for key, row in rows().items() if key not in before)


def test_a_row_of_its_own_from_a_file_to_the_table(capsys):
    assert main(["run", "study.py", "--root", "runs", "--devices", "cpu:2", "--wandb", "offline"]) == 0
    key = next(key for key, row in rows().items() if row == "mine")
    config = read(RunFolder(Path("runs", key)).path)["config"]
    assert config["attention"] == {"kind": "my_gate", "kernel_size": 3, "code": config["attention"]["code"]}
    capsys.readouterr()
    assert main(["table", "study.py", "--format", "json"]) == 0
    table = {row["label"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert [table[row]["n"] for row in ("none", "BAM", "mine")] == [1, 1, 1]
    assert table["mine"]["params"] - table["none"]["params"] == 3 + 3  # two places, a kernel of three, no bias
    assert main(["report", "study.py", "-o", "report.html"]) == 0
    assert main(["verify", "study.py"]) == 0


def test_comments_and_other_lines_train_nothing(capsys):
    edit("study.py", "# a second file", "# in a second file, said anew")
    edit("study.py", '"""Efficient channel attention, by hand."""', '"""ECA."""')
    edit("study.py", "question=", 'paper="none", question=')
    edit("pooling.py", "def pooled", "# pooling\ndef pooled")
    assert trained(capsys) == []


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("study.py", "torch.sigmoid(y)", "torch.tanh(y)"), ("pooling.py", "x.mean((2, 3))", "x.amax((2, 3))")],
)
def test_another_forward_and_another_helper_train_its_rows_alone(capsys, name, before, after):
    edit(name, before, after)
    assert main(["plan", "study.py"]) == 0
    plan = " ".join(capsys.readouterr().out.split())
    assert "trained with earlier code: mine " in plan
    assert "1 of 3 runs left" in plan
    assert trained(capsys) == ["mine"]
    assert main(["verify", "study.py"]) == 0
    assert "(mine)" in capsys.readouterr().out, "the rows of earlier code are noted"


def test_what_ran_before_is_readable_under_its_key_and_can_be_trained_again_by_name(capsys):
    old = [RunFolder(Path("runs", key)) for key, row in rows().items() if row == "mine"]
    codes = {folder.run().attention.code: folder for folder in old}
    assert len(old) == len(codes) == 3
    for folder in old:
        assert folder.run().key == folder.path.name
    kept = {folder.path.name: folder.manifest().code for folder in old}
    assert len(set(kept.values())) == 3
    first = min(old, key=lambda folder: folder.manifest().started)
    code = Path("runs", "code", kept[first.path.name])
    assert main(["reproduce", first.path.name]) == 2
    needed = f"needs the code of attention=my_gate, {first.run().attention.code}; {code} has it"
    assert needed in capsys.readouterr().err
    assert main(["reproduce", first.path.name, "--code", "study.py"]) == 2, "the study's file is not what it was"
    assert main(["reproduce", first.path.name, "--code", str(code / "study.py")]) == 0
    assert "every figure of every epoch is equal, bit for bit" in capsys.readouterr().out


def test_a_bundle_is_checked_and_reproduced_elsewhere(capsys, tmp_path, monkeypatch):
    Path("study.py").rename("mine.py")
    assert main(["bundle", "mine.py", "-o", str(tmp_path / "mine.tar.gz")]) == 0
    Path("mine.py").rename("study.py")
    with tarfile.open(tmp_path / "mine.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path / "mine")
    assert sorted(path.name for path in Path().glob("*.py")) == ["pooling.py", "study.py"]
    capsys.readouterr()
    assert main(["verify", "study.py", "--root", "runs", "--table", "table.json"]) == 0
    key = min(folder for folder in rows() if rows()[folder] == "mine")
    code = RunFolder(Path("runs", key)).manifest().code
    assert main(["reproduce", key, "--root", "runs", "--code", f"runs/code/{code}/study.py"]) == 0


def test_two_ranks_train_it(capsys):
    words = ["--only", "attention=my_gate", "--seeds", "2", "--devices-per-run", "2"]
    assert main(["run", "study.py", *WHERE, *words]) == 0
    worlds = {key: RunFolder(Path("runs", key)).manifest().world_size for key in rows()}
    assert sorted(worlds.values()) == [1, 1, 1, 1, 1, 2, 2], "the second seed of the baseline and of it"


def test_its_knobs_are_searched(capsys):
    Path("space.py").write_text(SPACE)
    words = ["--trials", "3", "--sampler", "random", "--confirm", "1"]
    assert main(["search", "space.py", *WHERE, *words]) == 0
    assert "kernel_size" in capsys.readouterr().out
    assert main(["plan", "runs/confirm-knobs.py"]) == 0, "a study's file elsewhere, with a class of this one"
    assert "MyGate = load_class(" in Path("runs/confirm-knobs.py").read_text()


def test_a_module_that_fails_is_one_line_with_its_file(capsys):
    edit("pooling.py", "return x", "raise ValueError('not yet')\n    return x")
    assert main(["run", "study.py", *WHERE]) == 2
    err = capsys.readouterr().err
    assert "row 'mine': attention=my_gate (MyGate in " in err
    assert "study.py): forward failed on (2, 4, 8, 8): ValueError: not yet" in err
    assert err.count("\n") == 1
