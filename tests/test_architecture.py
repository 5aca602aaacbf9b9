"""The rooms and their one direction, held by tests."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

HOME = Path(__file__).parent.parent
ROOMS = ("lightning_bam", "studies", "analysis")
FINDINGS = HOME / "studies" / "findings"
"""Records, and the study files that they were made from: no code of the packages."""
FILES = [path for room in ROOMS for path in sorted((HOME / room).rglob("*.py")) if FINDINGS not in path.parents]
TO_EDIT = HOME / "studies" / "definition" / "templates"
"""Files that `bam new` copies: a person has them before their eyes as a whole, and they are commented instead."""
HEAVY = ("torch", "torchvision", "pytorch_lightning", "optuna", "pandas", "wandb", "scipy", "sklearn")
SLOW = ("scipy.stats", "statsmodels", "matplotlib", "pandas", "optuna")
"""Each takes most of a second to import."""


def imports(path: Path) -> set[str]:
    """Return the top-level packages that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOME)))
class TestFile:
    def test_imports_point_one_way(self, path):
        room = path.relative_to(HOME).parts[0]
        later = set(ROOMS[ROOMS.index(room) + 1 :])
        assert not imports(path) & later
        forbidden = {
            "lightning_bam": {"optuna", "pandas", "wandb", "scipy", "matplotlib"},
            "studies": {"pandas", "scipy", "matplotlib"},
            "analysis": {"torch", "torchvision", "pytorch_lightning", "optuna", "wandb"},
        }
        assert not imports(path) & forbidden[room]

    def test_has_no_long_functions(self, path):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 70, f"{node.name} is too long"

    def test_says_what_it_is(self, path):
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), "module docstring"
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if public and path.parent != TO_EDIT:
                assert ast.get_docstring(node), node.name


def module_of(path: Path) -> str:
    """Return the name under which a file of the packages is imported."""
    parts = path.relative_to(HOME).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def arrows() -> dict[str, set[str]]:
    """Return which modules of the packages each of them imports, wherever in its file, for types or at run time."""
    modules = {module_of(path): path for path in FILES}
    found: dict[str, set[str]] = {}
    for name, path in modules.items():
        targets = found[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names} & modules.keys()
            elif isinstance(node, ast.ImportFrom) and node.module in modules:
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                targets |= {one if one in modules else node.module for one in inner}
        targets.discard(name)
    return found


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Return what is left once everything that nothing, or only what was taken away, leads to or from is taken away."""
    graph = {name: set(targets) for name, targets in arrows.items()}
    while True:
        reached = set().union(*graph.values()) if graph else set()
        left = {name: targets & graph.keys() for name, targets in graph.items() if targets and name in reached}
        left = {name: targets & left.keys() for name, targets in left.items()}
        if left == graph:
            return [[name, *sorted(targets)] for name, targets in sorted(graph.items())]
        graph = left


def test_no_file_is_in_a_circle_of_imports():
    assert circles(arrows()) == []


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_no_room_imports_one_above_it():
    """Rooms are the folders and single files in the three packages; those of one package have an order."""
    rooms: dict[str, set[str]] = {}
    for module, targets in arrows().items():
        if module in ROOMS:
            continue  # a package's `__init__` shows what is in its rooms
        others = {room_of(target) for target in targets if target not in ROOMS}
        rooms.setdefault(room_of(module), set()).update(others - {room_of(module)})
    assert circles(rooms) == []


def test_rooms_stand_in_the_order_that_contributing_draws():
    tree = (HOME / "CONTRIBUTING.md").read_text().split("```")[1]
    order, package = [], ""
    for line in tree.splitlines():
        if found := re.match(r"(\w+)/ ", line):
            package = found[1]
        elif found := re.match(r"  ((\S+ )*\S+)", line):
            order += [f"{package}.{name}" for name in re.findall(r"(\w+)(?:/(?:\w+/)*|\.py)(?: |$)", found[1] + " ")]
    assert len(order) > 40
    climbing = [
        (module, target)
        for module, targets in arrows().items()
        for target in targets
        if room_of(module) in order and room_of(target) in order
        if order.index(room_of(target)) < order.index(room_of(module))
    ]
    assert climbing == []
    rooms = {room_of(module) for module in arrows()} - {*ROOMS}
    small = {"signals", "distributed", "random_streams", "cores", "json_text", "probe", "tensor_files", "__main__"}
    assert rooms - {*order} == {f"lightning_bam.{name}" for name in small}


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"], ["c", "b"]]


def test_a_package_has_few_rooms():
    rooms = [path for path in (HOME / "studies").iterdir() if path.name != "__pycache__" and path.suffix != ".md"]
    assert len(set(rooms) - {FINDINGS}) <= 20


def loaded_by(code: str, packages: tuple[str, ...] = HEAVY) -> list[str]:
    """Return which of these packages a fresh interpreter has loaded after `code`."""
    check = f"\nimport sys, json\nprint('LOADED' + json.dumps([m for m in {packages!r} if m in sys.modules]))"
    out = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True, check=True).stdout
    return json.loads(out.rpartition("LOADED")[2])


CALL = "from analysis.cli import main\ntry:\n    main({argv!r})\nexcept SystemExit:\n    pass"


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["rum"], ["help"], ["help", "recipe"]], ids=" ".join)
def test_help_loads_nothing_heavy(argv):
    assert loaded_by(CALL.format(argv=argv)) == []


@pytest.mark.parametrize(
    "argv",
    [
        ["studies"],
        ["plan", "quickstart"],
        ["status", "quickstart"],
        ["table", "quickstart"],
        ["explain", "quickstart", "none"],
        ["verify"],
        ["verify", "quickstart"],
        ["table", "reduction", "--format", "json"],
        ["cost", "--attention", "bam"],
        ["new", "/nowhere/my_study.py"],
    ],
    ids=" ".join,
)
def test_describing_planning_and_tabulating_never_load_torch(argv, tmp_path, monkeypatch):
    monkeypatch.setenv("BAM_ROOT", str(tmp_path))
    assert not set(loaded_by(CALL.format(argv=argv))) & {"torch", "torchvision", "pytorch_lightning", "wandb"}
    assert not list(tmp_path.iterdir()), "and they write nothing"


def test_a_table_as_text_loads_nothing_slow(tmp_path, monkeypatch):
    monkeypatch.setenv("BAM_ROOT", str(tmp_path))
    assert loaded_by(CALL.format(argv=["table", "quickstart"]), SLOW) == []


def test_where_runs_stand_is_said_without_arrays_and_clusters(tmp_path, monkeypatch):
    monkeypatch.setenv("BAM_ROOT", str(tmp_path))
    code, most = CALL.format(argv=["status", "quickstart"]), ("numpy", "scipy", "jinja2", "submitit", "sqlalchemy")
    assert loaded_by(code, (*SLOW, *most)) == []


def test_networks_are_counted_without_what_trains_them():
    slow = ("pytorch_lightning", "torchmetrics", "scipy", "matplotlib")
    assert loaded_by("import lightning_bam.training.check", slow) == []


def test_descriptions_load_no_torch():
    assert loaded_by("import lightning_bam; lightning_bam.Run().key; lightning_bam.flatten(lightning_bam.Run())") == []


def test_every_public_name_can_be_had():
    import lightning_bam
    import studies

    for package in (lightning_bam, studies):
        for name in package.__all__:
            assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'BUM'"):
        _ = lightning_bam.BUM


def test_the_top_level_is_as_designed():
    listed = subprocess.run(["git", "-C", str(HOME), "ls-files"], capture_output=True, text=True, check=False).stdout
    top = {name.partition("/")[0] for name in listed.splitlines() if not name.startswith(".")}
    allowed = {
        *ROOMS,
        "tests",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "constraints.txt",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
    }
    assert top <= allowed
