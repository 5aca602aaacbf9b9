"""`bam new`: what it writes, what it says, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.cli import main
from analysis.cli.verbs.new import PARTS
from studies.library import find_study
from tests.test_architecture import HOME, TO_EDIT

OWN = {
    "module": ("attention", "MyGate", "my_gate"),
    "backbone": ("backbone", "MyNet", "my_net"),
    "dataset": ("dataset", "Stripes", "stripes"),
    "task": ("task", "Segmentation", "segmentation"),
}
ROWS = {
    "module": ["none", "BAM", "mine"],
    "backbone": ["none", "BAM", "SE"],
    "dataset": ["none", "BAM"],
    "task": ["none", "BAM"],
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("part", PARTS)
def test_a_file_is_a_study_named_after_it_with_that_part_its_own(part):
    assert main(["new", "gates-2.py", f"--{part}"]) == 0
    study = find_study("gates-2.py")
    assert study.name == "gates-2"
    assert list(study.rows) == ROWS[part]
    assert (study.baseline, study.scientific, study.seeds) == ("none", ("attention",), 5)
    slot, name, kind = OWN[part]
    own = getattr(list(study.rows.values())[-1], slot)
    assert (type(own).__name__, own.kind, Path(own.file).name) == (name, kind, "gates-2.py")
    assert len(own.code) == 16


@pytest.mark.parametrize("part", PARTS)
def test_a_file_is_short_and_commented(part):
    main(["new", "mine.py", f"--{part}"])
    text = Path("mine.py").read_text()
    lines = text.splitlines()
    if part == "module":
        assert len(lines) <= 30
    assert len(list(filter(None, lines))) <= 40
    assert max(map(len, lines)) <= 120
    assert text.count("  # ") >= 4
    assert lines[0].endswith('`bam table mine.py` compares them."""')
    assert "my_study" not in text


def test_without_an_option_it_is_a_module_and_the_next_command_is_printed(capsys):
    Path("a folder").mkdir()
    assert main(["new", "a folder/one.py"]) == 0
    assert capsys.readouterr().out == (
        "a folder/one.py: a study with an attention module of its own\n"
        "next: bam run 'a folder/one.py' && bam table 'a folder/one.py'\n"
    )
    assert main(["new", "a folder/two.py", "--module"]) == 0
    texts = [Path("a folder", f"{name}.py").read_text().replace(f'"{name}"', "") for name in ("one", "two")]
    assert texts[0].replace("one.py", "two.py") == texts[1]


def test_two_files_of_one_part_share_their_runs():
    for name in ("one.py", "two.py"):
        main(["new", name, "--task"])
    keys = [[cell.run.key for cell in find_study(name).runs()] for name in ("one.py", "two.py")]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 10


NAMED = "a study is named after its file; use letters, digits, '-' and '_', as my_study.py"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["there.py"], "bam: there.py: is there already; give another name"),
        (["link.py"], "bam: link.py: is there already; give another name"),
        (["folder.py"], "bam: folder.py: is there already; give another name"),
        (["my_study"], "bam: my_study: a study is a Python file; call it my_study.py"),
        (["my_study.ipynb"], "bam: my_study.ipynb: a study is a Python file; call it my_study.py"),
        ([".py"], f"bam: .py: {NAMED}"),
        (["_a.py"], f"bam: _a.py: {NAMED}"),
        (["a b.py"], f"bam: a b.py: {NAMED}"),
        (["a\nb.py"], f"bam: a\\nb.py: {NAMED}"),
        ([f"{'a' * 121}.py"], f"bam: {'a' * 121}.py: {NAMED}"),
        ([""], f"bam: .: {NAMED}"),
        (["../no/a.py"], "bam: ../no/a.py: no such folder ../no; make it first"),
        (["there.py/a.py"], "bam: there.py/a.py: no such folder there.py; make it first"),
        (
            ["reduction.py"],
            "bam: reduction.py: reduction is a name of the catalogue; give another, as my_reduction.py",
        ),
        (["bam.py"], "bam: bam.py: bam is a name of the catalogue; give another, as my_bam.py"),
        (
            ["a.py", "--task", "--task", "--module"],
            "bam: --task --module: a file has one part of its own; write two files",
        ),
        (["a.py", "--tsk"], "bam new: --tsk is no option of it; did you mean --task?"),
        (["a.py", "b.py"], "bam new: 'b.py' is one word too many"),
        ([], "bam new: the following arguments are required: file"),
    ],
)
def test_what_is_refused_is_one_line_and_writes_nothing(capsys, words, line):
    Path("there.py").write_text("mine")
    Path("link.py").symlink_to("nowhere")
    Path("folder.py").mkdir()
    before = sorted(Path().iterdir())
    try:
        code = main(["new", *words])
    except SystemExit as error:  # argparse
        code = error.code
    assert code == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"{line}\n")
    assert sorted(Path().iterdir()) == before
    assert Path("there.py").read_text() == "mine"


def test_the_help_says_what_each_option_writes(capsys):
    with pytest.raises(SystemExit):
        main(["new", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "usage: bam new [-h] [--module] [--backbone] [--dataset] [--task] file" in text
    for part, what in PARTS.items():
        assert f"--{part} {what}" in text


def test_the_readme_shows_what_it_writes():
    assert (TO_EDIT / "module.py").read_text() in (HOME / "README.md").read_text()
