"""A working directory whose files are named as modules or as W&B's settings: no process of ours reads one of them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from lightning_bam.user_code.imports import imported
from studies.errors import StudyError
from studies.library import find_study
from studies.workers.forkserver import forkserver
from studies.workers.launch import ask
from tests.studies.tracking.wandb_file import read

HOME = Path(__file__).parent.parent.parent

VERBS = """
import json, sys
from analysis.cli import main
if __name__ == "__main__":
    sys.exit(max(main(words) for words in json.loads(sys.argv[1])))
"""
NAMES = ("colorsys", "json", "lightning_bam", "numpy", "psutil", "selectors", "studies", "torch", "types", "wandb")
WANTED = ("Cython", "colorama", "cython", "numexpr", "org", "plugged", "redis", "sksparse", "uarray", "winreg")
"""Modules that libraries import where they find them, and one that an installed package would plug into them."""
GROUPS = ("torch.backends", "matplotlib.backend", "lightning.pytorch.callbacks_factory", "optuna.storages")
CANARY = """
from pathlib import Path
with Path({canary!r}).open("a") as file:
    file.write(__name__ + chr(10))
raise RuntimeError(__name__ + " of the working directory was imported")
"""
STUDY = """
import colorsys
import widths
from dataclasses import replace
from lightning_bam import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Study

base = Run(
    dataset=Digits(), backbone=SmallResNet(width=widths.WIDTH),
    recipe=Recipe(epochs=1, batch_size=64, schedule="cosine", crop_padding=0, flip=False),
)
rows = {"none": base, "BAM": replace(base, attention=BAMSpec(reduction=4, dilation=1))}
STUDY = Study(name="mine", question="?", rows=rows, baseline="none", scientific=("attention",), seeds=1)
"""


@pytest.fixture
def shadowed(tmp_path, monkeypatch):
    """Be in a folder full of such files, with a study that imports its neighbour; return the canary's path."""
    there, canary = tmp_path / "there", tmp_path / "canary"
    there.mkdir()
    for name in NAMES + WANTED:
        (there / f"{name}.py").write_text(CANARY.format(canary=str(canary)))
    for name in ("studies", "analysis", "submitit"):
        (there / name).mkdir()
        (there / name / "__init__.py").write_text(CANARY.format(canary=str(canary)))
    package = there / "plugged-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("".join(f"[{group}]\nplugged = plugged:plug\n" for group in GROUPS))
    (there / "wandb").mkdir()
    (there / "wandb" / "settings").write_text("[default]\nentity = foreign\nbase_url = http://127.0.0.1:9\n")
    (there / "config-defaults.yaml").write_text("foreign: {value: 3}\n")
    (there / "widths.py").write_text("WIDTH = 4\n\n\ndef never():\n    import colorama, numexpr, redis\n")
    (there / "mine.py").write_text(STUDY)
    monkeypatch.chdir(there)
    return canary


def test_no_process_imports_from_the_working_directory(shadowed):
    """The fork server and what it forks, W&B's service, and the process that counts networks; nor do libraries."""
    run = find_study("mine.py").rows["BAM"].key
    verbs = [
        ["cost"],
        ["run", "mine.py", "--devices", "cpu:2", "--wandb", "offline"],
        ["plot", "mine.py"],
        ["report", "mine.py"],
        ["bundle", "mine.py", "-o", "mine.tar.gz"],
    ]
    script = shadowed.with_name("script.py")  # as `bam`, on whose path its own folder is, and not the working directory
    script.write_text(VERBS)
    words = [sys.executable, str(script), json.dumps(verbs)]
    environment = os.environ | {"BAM_CACHE": str(Path("cache").absolute()), "BAM_ROOT": "runs"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert not shadowed.exists(), shadowed.read_text() + done.stderr
    assert done.returncode == 0, done.stderr
    assert list(Path("runs").glob(f"wandb/offline-run-*-{run}/*.wandb"))
    with tarfile.open("mine.tar.gz") as archive:
        lists = [archive.extractfile(one) for one in archive.getmembers() if one.name.endswith("constraints.txt")]
        assert ["plugged" in one.read().decode() for one in lists] == [False]
    found = read(Path("runs", run))
    assert found["run"].entity == ""
    assert "foreign" not in found["config"]
    logs = list(Path("runs", "wandb").glob(f"*-{run}/logs/debug*.log"))
    assert logs
    assert [path for path in logs if "127.0.0.1:9" in path.read_text()] == []


def test_the_package_as_a_program_is_the_command_beside_folders_of_its_names(tmp_path, monkeypatch):
    """`python -m` puts the working directory first, for Python's own modules, too: of these no line of ours knows."""
    monkeypatch.chdir(tmp_path)
    for name in ("studies", "analysis"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(CANARY.format(canary=str(tmp_path / "canary")))
    for safe in ([], ["-P"]):
        words = [sys.executable, *safe, "-m", "lightning_bam", "plan", "quickstart"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("quickstart: Does BAM help")
    refused = subprocess.run([*words[:-2], "rum"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr[:14]) == (2, "bam: argument ")
    assert not (tmp_path / "canary").exists()


def test_a_folder_that_hides_a_package_is_named_in_one_line(tmp_path):
    """On PYTHONPATH it stands before what is installed; that of `analysis` is not ours to tell, for we never begin."""
    hiding = tmp_path / "studies" / "__init__.py"
    hiding.parent.mkdir()
    hiding.write_text("")
    code = "import sys\nfrom analysis.cli import main\nsys.exit(main(['plan', 'quickstart']))"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    told = "hides the package `studies` of lightning-bam; rename it, or take its folder off PYTHONPATH"
    assert (done.returncode, done.stderr) == (2, f"bam: {hiding} {told}\n")


def test_doctor_names_what_hides_a_package(shadowed):
    from studies.doctor.machine import imports

    there = shadowed.with_name("there")
    found = [(finding.found.partition(" hides")[0], finding.mend) for finding in imports()]
    assert found == [
        (str(there / "analysis"), "rename it, as my_analysis"),
        (str(there / "lightning_bam.py"), "rename it, as my_lightning_bam.py"),
        (str(there / "studies"), "rename it, as my_studies"),
        (str(there / "studies.py"), "rename it, as my_studies.py"),
    ]


def test_doctor_finds_nothing_that_hides_a_package_where_they_stand(monkeypatch):
    from studies.doctor.machine import imports

    monkeypatch.chdir(HOME)
    assert list(imports()) == []


def test_a_study_imports_its_own_neighbours_in_every_process(tmp_path):
    """Also those of another study that have the same names."""
    for folder, width in (("one", 4), ("two", 8)):
        (tmp_path / folder / "shapes").mkdir(parents=True)
        (tmp_path / folder / "shapes" / "__init__.py").write_text("from shapes.widths import WIDTH\n")
        (tmp_path / folder / "shapes" / "widths.py").write_text(f"WIDTH = {width}\ndef times(n): return n * WIDTH\n")
        file = tmp_path / folder / "mine.py"
        file.write_text(STUDY.replace("import colorsys\n", "").replace("import widths", "import shapes as widths"))
        assert find_study(str(file)).rows["BAM"].backbone.width == width
        assert ask(forkserver(), "shapes.widths", "times", 3) == 3 * width
        assert [path.relative_to(tmp_path / folder).as_posix() for path in imported(file)] == [
            "shapes/__init__.py",
            "shapes/widths.py",
        ]


def test_a_study_in_a_folder_named_as_a_package_imports_its_neighbours_and_the_package(tmp_path):
    folder = tmp_path / "studies"
    (folder / "analysis").mkdir(parents=True)
    (folder / "widths.py").write_text("from twice import TWICE\nWIDTH = TWICE * 2\ndef times(n): return n * WIDTH\n")
    (folder / "twice.py").write_text("TWICE = 3\n")
    (folder / "mine.py").write_text(STUDY.replace("import colorsys\n", ""))
    assert find_study(str(folder / "mine.py")).rows["BAM"].backbone.width == 6
    assert ask(forkserver(), "widths", "times", 3) == 18


def test_nothing_runs_of_a_study_file_but_its_source(tmp_path):
    """Behind a source there may be an archive, which Python would run instead."""
    file, canary = tmp_path / "mine.py", tmp_path / "canary"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__main__.py", CANARY.format(canary=str(canary)))
    source = STUDY.replace("import colorsys\nimport widths\n", "").replace("widths.WIDTH", "4")
    file.write_bytes(source.encode() + b"#" + packed.getvalue())
    with pytest.raises(StudyError, match="mine.py, line 1: SyntaxError|mine.py: SyntaxError|null bytes|ValueError"):
        find_study(str(file))
    assert not canary.exists()


def test_every_python_process_of_ours_has_a_safe_path():
    """`-P`, or `-I`, which means it, too."""
    sources = [path for package in ("analysis", "lightning_bam", "studies") for path in (HOME / package).rglob("*.py")]
    begun = [
        (path.name, line.strip())
        for path in sources
        for line in path.read_text().splitlines()
        if "sys.executable" in line
    ]
    assert len(begun) >= 6
    assert [one for one in begun if not any(flag in one[1] for flag in (', "-P"', ', "-I"', "} -P"))] == []
