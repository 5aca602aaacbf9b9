"""What the hash of a user's own code sees, and what it does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from lightning_bam.config.own_code import code_hash, is_own

STUDY = '''"""A study with a module of its own."""

import math
import helpers
from shapes import gate, unused
from kernels.odd import odd as nearest_odd

GAMMA = 2
UNRELATED = 5


class Own:
    """What it is."""

    size = 3

    def forward(self, x):
        # a comment
        return helpers.scale(x) * gate(x) + nearest_odd(GAMMA)


def lazy():
    from late import last
    return last


@decorated
class Spec:
    kernel: int = 3

    def build(self, channels):
        """Build it."""
        return Own(channels, lazy())


def decorated(cls):
    return cls


class Other:
    """Another."""


STUDY = {"rows": Spec()}
'''
FILES = {
    "study.py": STUDY,
    "helpers.py": "def scale(x):\n    return 2 * x\n",
    "shapes.py": "LIMIT = 1\n\n\ndef gate(x):\n    return min(x, LIMIT)\n\n\ndef unused(x):\n    return x\n",
    "kernels/__init__.py": "",
    "kernels/odd.py": "from .base import one\n\n\ndef odd(x):\n    return x + one()\n",
    "kernels/base.py": "def one():\n    return 1\n",
    "late.py": "last = 7\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def edited(folder: Path, name: str, before: str, after: str) -> str:
    text = (folder / name).read_text()
    assert text.count(before) == 1, before
    (folder / name).write_text(text.replace(before, after))
    return code_hash(folder / "study.py", "Spec")


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("study.py", "        # a comment\n", ""),
        ("study.py", "What it is.", "Something else."),
        ("study.py", '        """Build it."""\n', ""),
        ("study.py", "UNRELATED = 5", "UNRELATED = 6"),
        ("study.py", "UNRELATED = 5\n", ""),
        ("study.py", "    size = 3\n", "    size    =   3\n"),
        ("study.py", "import math\n", "import math, json\n"),
        ("study.py", "class Other:", "class Another:"),
        ("study.py", '{"rows": Spec()}', '{"rows": Spec(), "more": Spec(kernel=5)}'),
        ("study.py", '{"rows": Spec()}\n', '{"rows": Spec()}\nif __name__ == "__main__":\n    print(Spec())\n'),
        ("shapes.py", "    return x\n", "    return -x\n"),
        ("helpers.py", "def scale", "# no more\ndef scale"),
    ],
)
def test_what_computes_nothing_leaves_the_hash_alone(folder, name, before, after):
    old = code_hash(folder / "study.py", "Spec")
    assert edited(folder, name, before, after) == old


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("study.py", "+ nearest_odd", "- nearest_odd"),
        ("study.py", "GAMMA = 2", "GAMMA = 3"),
        ("study.py", "    size = 3", "    size = 5"),
        ("study.py", "kernel: int = 3", "kernel: int = 5"),
        ("study.py", "    return cls", "    return None"),
        ("study.py", "STUDY =", "Own.size = 4\nSTUDY ="),
        ("study.py", "STUDY =", "setattr(Own, 'size', 4)\nSTUDY ="),
        ("study.py", "STUDY =", "Own.table[2] = 4\nSTUDY ="),
        ("study.py", "STUDY =", "for GAMMA in range(9):\n    pass\nSTUDY ="),
        ("study.py", "from shapes import gate, unused", "from shapes import unused as gate"),
        ("study.py", "from kernels.odd import odd as", "from kernels.odd import one as"),
        ("helpers.py", "2 * x", "3 * x"),
        ("shapes.py", "LIMIT = 1", "LIMIT = 2"),
        ("kernels/odd.py", "x + one()", "x - one()"),
        ("kernels/base.py", "return 1", "return 2"),
        ("late.py", "7", "8"),
    ],
)
def test_what_computes_something_else_changes_the_hash(folder, name, before, after):
    old = code_hash(folder / "study.py", "Spec")
    assert edited(folder, name, before, after) != old


def test_the_hash_is_the_same_in_another_folder_file_and_process(folder, tmp_path_factory):
    """Python draws the order of a set of names anew in each process."""
    old = code_hash(folder / "study.py", "Spec")
    other = tmp_path_factory.mktemp("elsewhere")
    (folder / "study.py").rename(folder / "renamed.py")
    folder.rename(other / "moved")
    code = "import sys; from pathlib import Path; from lightning_bam.config.own_code import code_hash; "
    code += "print(code_hash(Path(sys.argv[1]), 'Spec'))"
    words = [sys.executable, "-P", "-c", code, str(other / "moved" / "renamed.py")]
    assert {subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() for _ in range(3)} == {old}


def test_a_star_takes_all_of_an_own_file(folder):
    edited(folder, "study.py", "import helpers\n", "from helpers import *\n")
    old = edited(folder, "study.py", "helpers.scale(x)", "scale(x)")
    assert edited(folder, "helpers.py", "2 * x", "3 * x") != old


def test_files_that_use_each_other_come_to_an_end(folder):
    old = edited(
        folder,
        "helpers.py",
        "def scale(x):\n    return 2 * x",
        "import shapes\ndef scale(x):\n    return shapes.gate(x)",
    )
    assert edited(folder, "shapes.py", "min(x, LIMIT)", "__import__('helpers').scale(x)") != old


def test_own_is_what_is_neither_installed_nor_pythons_nor_this_projects(folder):
    import json

    import torch

    import studies

    assert is_own(folder / "study.py")
    assert not any(is_own(Path(module.__file__)) for module in (json, torch, pytest, studies))


REGISTRY = {
    "study.py": "from base import TABLE\nimport acts, plain.h, torch\nimport torch.nn.functional as F\n"
    "from plain import k\n"
    "class Spec:\n    width = width\n    def build(self): return TABLE['relu'], plain.h.f(), k.g(), F.gelu, Spec.gain\n"
    "class Other:\n    size = 5\n"
    "ROWS = {}\nfor size in (1, 3):\n    ROWS[f'size={size}'] = Spec()\nROWS['other'] = Other()\n",
    "base.py": "TABLE = {}\ndef register(f):\n    TABLE[f.__name__] = f\n    return f\n",
    "acts.py": "from base import register\n@register\ndef relu(x):\n    return 1\n",
    "plain/h.py": "def f(): return 2\n",  # a folder without __init__.py
    "plain/k.py": "def g(): return 3\n",
}


@pytest.fixture
def registry(tmp_path):
    for name, text in REGISTRY.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("acts.py", "return 1", "return 11"),
        ("base.py", "= f\n", "= abs\n"),
        ("plain/h.py", "2", "22"),
        ("plain/k.py", "3", "33"),
        ("study.py", "class Spec", "width = 7\nclass Spec"),
        ("study.py", "class Other", "torch.nn.functional.gelu = abs\nclass Other"),
        ("study.py", "class Other", "torch.set_default_dtype(torch.float64)\nclass Other"),
        ("study.py", "class Other", "def change():\n    Spec.gain = 3\nchange()\nclass Other"),
        ("study.py", "class Other", "for part in (Spec, abs):\n    part.gain = 3\nclass Other"),
        ("study.py", "class Other", "def change(value):\n    global F\n    F = value\nchange(3)\nclass Other"),
    ],
)
def test_what_is_changed_from_elsewhere_changes_the_hash(registry, name, before, after):
    old = code_hash(registry / "study.py", "Spec")
    assert edited(registry, name, before, after) != old


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(1, 3)", "(1, 3, 5)"),
        ("ROWS['other'] = Other()", "ROWS.update(others=Other(), more=Spec())"),
        ("size = 5", "size = 6"),
        (
            "import torch.nn.functional as F\nfrom plain import k",
            "from plain import k\nimport torch.nn.functional as F",
        ),
        ("    size = 5\n", "    size = 5\nassert Spec().build\nprint(Spec())\n'a text'\n"),
    ],
)
def test_rows_and_the_order_of_imports_leave_the_hash_alone(registry, before, after):
    old = code_hash(registry / "study.py", "Spec")
    assert edited(registry, "study.py", before, after) == old
