"""`bam inspect` as a person meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from analysis.cli import main
from analysis.inspection.page import HEADINGS, cells, dead
from analysis.inspection.records import Inspection, read
from lightning_bam import BAMSpec, Digits, Recipe, Run, RunFolder, SmallResNet

RECIPE = Recipe(epochs=1, batch_size=64, crop_padding=0, flip=False)
RUN = Run(dataset=Digits(), backbone=SmallResNet(width=4), attention=BAMSpec(reduction=4, dilation=1), recipe=RECIPE)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    from lightning_bam import train

    root = tmp_path_factory.mktemp("runs")
    folder = RunFolder.of(root, RUN)
    folder.describe(RUN)
    train(folder)
    return root


class Images(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.loaded = [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "img":
            self.found.append(attrs)
        self.loaded += [value for name, value in attrs.items() if name in ("src", "href")]


def test_inspect_writes_numbers_figures_and_a_page(root, tmp_path, capsys):
    code = main(
        ["inspect", RUN.key[:6], "--root", str(root), "--images", "4,0", "--samples", "70", "-o", str(tmp_path)]
    )
    out = capsys.readouterr().out
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[:3]] == ["module", "layer1", "layer2"]
    numbers = json.loads((tmp_path / "inspect.json").read_text())
    assert [image["index"] for image in numbers["images"]] == [4, 0]
    first = numbers["modules"][0]
    assert (first["name"], first["channels"], first["height"], first["width"]) == ("layer1", 4, 8, 8)
    assert first["saturation"]["trained"]["n_values"] == 70 * 4 * 8 * 8
    assert [row["theoretical"] for row in first["field"]["by_dilation"]] == [5, 9, 17, 25]
    inspection = read(tmp_path)
    assert [module["field"]["read"] for module in inspection.modules] == [25, 16]
    column = HEADINGS.index("read")
    assert [row[column] for row in cells(inspection)] == ["25", "16 of 25"], "4 x 4 cuts the field"
    assert "16 of 25" in out.replace("\n", " ")
    pictures = sorted(path.name for path in tmp_path.glob("*.png"))
    assert pictures == ["field-coverage.png", "field-energy.png", "maps-0.png", "maps-4.png", "saturation.png"]
    assert all(np.asarray(Image.open(tmp_path / name).convert("L")).std() > 5 for name in pictures)
    page = Images()
    page.feed((tmp_path / "inspect.html").read_text())
    assert len(page.found) == 5
    assert all(len(image["alt"]) > 40 for image in page.found)
    assert all(url.startswith(("data:image/png;base64,", "#")) for url in page.loaded), "and places within the page"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--images", "501"], "--images 501: the run has 500 scored images"),
        (["--images", "3,500"], "--images 500: the run's scored images are 0 to 499"),
        (["--samples", "1"], "--samples 1: give 2 to 500"),
    ],
)
def test_bad_input_is_one_line(root, tmp_path, capsys, words, said):
    assert main(["inspect", RUN.key, "--root", str(root), "-o", str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_an_unknown_key_gets_the_nearest(root, capsys):
    wrong = ("0" if RUN.key[0] != "0" else "1") + RUN.key[1:]
    assert main(["inspect", wrong, "--root", str(root)]) == 2
    assert f"did you mean {RUN.key!r}?" in capsys.readouterr().err


def test_help_loads_neither_torch_nor_matplotlib():
    code = "import sys\nfrom analysis.cli import main\ntry:\n    main(['inspect', '--help'])\n"
    code += "except SystemExit:\n    pass\n"
    code += "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_branch_that_says_the_same_everywhere_is_called_dead():
    alive = {"name": "layer1", "ranges": {"channel": [-0.5, 0.25], "spatial": [0.1, 0.1002], "gate": [0.5, 0.5]}}
    constant = {"name": "layer2", "ranges": {"channel": [0.0, 0.0], "spatial": [-0.0943, -0.0943000001]}}
    channel_only = {"name": "layer3", "ranges": {"channel": [0.0, 1.0], "gate": [0.5, 0.7]}}
    assert dead(Inspection({"modules": [alive, constant, channel_only]}, {})) == [
        "layer2's channel branch is dead: its logits are 0 everywhere, whatever it is shown.",
        "layer2's spatial branch is dead: its logits are −0.0943 everywhere, whatever it is shown.",
    ]
