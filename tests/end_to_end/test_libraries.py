"""Networks of torchvision and timm on a folder of images, from a study's file to its table."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from analysis.cli import main
from lightning_bam.run_folder.folder import RunFolder

STUDY = '''"""Does BAM help a network of {library}?"""

from dataclasses import replace

from lightning_bam import AfterStages, AtLayers, BAMSpec, ImageFolder, Recipe, Run, Timm, Torchvision
from studies import Study

base = Run(
    dataset=ImageFolder(name="zoo", height=40, width=32),
    backbone={backbone},
    recipe=Recipe(epochs=2, batch_size=8, lr=0.01, schedule="cosine", crop_padding=0, flip=False),
)
STUDY = Study(
    name="{library}",
    question="Does BAM help a network of {library}?",
    rows={{"none": base, "BAM": replace(base, attention=BAMSpec(reduction=4), placement={placement})}},
    baseline="none",
    scientific=("attention",),
    seeds=1,
)
'''
WHERE = ["--root", "runs", "--devices", "cpu:1", "--wandb", "off"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with ten images of each of three classes, of unequal sizes and kinds."""
    home, rng = tmp_path_factory.mktemp("home"), np.random.default_rng(0)
    for part, count in (("train", 10), ("test", 4)):
        for label, name in enumerate(("ant", "bee", "cat")):
            folder = home / "data" / "zoo" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 90, (37 + 5 * number, 41, 3)) + 60 * label
                image = Image.fromarray(pixels.astype(np.uint8))
                image = [image, image.convert("L"), image.convert("RGBA"), image.quantize(16)][number % 4]
                image.save(folder / f"{number}.png")
    return home


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setenv("BAM_DATA", str(home / "data"))


def study(library, backbone, placement):
    Path(f"{library}.py").write_text(STUDY.format(library=library, backbone=backbone, placement=placement))
    return f"{library}.py"


def table(file, capsys):
    capsys.readouterr()
    assert main(["table", file, "--format", "json", "--root", "runs"]) == 0
    data = json.loads(capsys.readouterr().out)
    return {row["label"]: row for row in data["rows"]}, "\n".join(data["notes"])


def manifests(file):
    found = [RunFolder(path.parent).manifest() for path in Path("runs").glob("*/result.json")]
    return [each for each in found if set(each.studies) == {Path(file).stem}]


def test_a_torchvision_network_with_weights_from_a_file(capsys):
    torch.manual_seed(0)
    torch.save(models.mobilenet_v3_small(num_classes=5).state_dict(), "data/small.pth")
    digest = hashlib.sha256(Path("data/small.pth").read_bytes()).hexdigest()[:16]
    backbone = f'Torchvision(name="mobilenet_v3_small", weights="small.pth", sha256="{digest}")'
    file = study("torchvision", backbone, 'AtLayers(layers=("features.3", "features.8"))')
    assert main(["run", file, *WHERE]) == 0
    rows, notes = table(file, capsys)
    assert [rows[row]["n"] for row in ("none", "BAM")] == [1, 1]
    plain = sum(p.numel() for p in models.mobilenet_v3_small(num_classes=3).parameters())
    assert rows["none"]["params"] == plain
    assert rows["BAM"]["params"] > plain
    noted = f"small.pth (sha256 {digest}): 242 tensors, classifier.3.weight, classifier.3.bias drawn"
    assert [(each.weights, each.timm) for each in manifests(file)] == [(noted, None)] * 2
    assert f"Backbone weights from {noted}: the one run of every row." in notes
    assert "timm" not in notes
    assert main(["verify", file, "--root", "runs"]) == 0


def test_weights_elsewhere_are_the_same_runs_and_others_are_none(capsys):
    Path("data/small.pth").rename("moved.pth")
    text = Path("torchvision.py").read_text()
    moved = text.replace('"small.pth"', f'"{Path("moved.pth").absolute()}"')
    Path("torchvision.py").write_text(moved)
    before = sorted(Path("runs").glob("*/manifest.json"))
    assert main(["run", "torchvision.py", *WHERE]) == 0
    assert sorted(Path("runs").glob("*/manifest.json")) == before
    Path("torchvision.py").write_text(moved.replace('sha256="', 'sha256="0123'))
    capsys.readouterr()
    assert main(["run", "torchvision.py", *WHERE]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"row 'none': backbone.weights: {Path('moved.pth').absolute()}: its SHA-256 is " in error
    assert sorted(Path("runs").glob("*/manifest.json")) == before


def test_a_timm_network_by_its_stages(capsys):
    timm = pytest.importorskip("timm")
    file = study("timm", 'Timm(name="test_resnet")', "AfterStages()")
    assert main(["run", file, *WHERE]) == 0
    rows, notes = table(file, capsys)
    assert [rows[row]["n"] for row in ("none", "BAM")] == [1, 1]
    plain = sum(p.numel() for p in timm.create_model("test_resnet", num_classes=3).parameters())
    assert (rows["none"]["params"], rows["BAM"]["params"] > plain) == (plain, True)
    assert [(each.timm, each.weights) for each in manifests(file)] == [(timm.__version__, None)] * 2
    assert f"timm {timm.__version__}" in notes
    assert "Backbone weights" not in notes
    key = next(
        path.parent.name
        for path in Path("runs").glob("*/result.json")
        if "timm" in path.with_name("run.json").read_text()
    )
    assert main(["reproduce", key, "--root", "runs"]) == 0
    assert "every figure of every epoch is equal, bit for bit" in capsys.readouterr().out


def test_a_corrupt_image_is_one_line_and_nothing_is_trained(capsys):
    broken = Path("data/zoo/train/bee/5.png").absolute()
    broken.write_bytes(broken.read_bytes()[:500])
    file = study("broken", 'Torchvision(name="mobilenet_v3_small")', 'AtLayers(layers=("features.3",))')
    before = sorted(Path("runs").iterdir())
    assert main(["run", file, *WHERE]) == 2
    error = capsys.readouterr().err
    assert f"cannot read the image {broken}: " in error
    assert error.count("\n") == 1
    assert sorted(Path("runs").iterdir()) == before
