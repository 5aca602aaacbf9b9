"""`bam table` on a page: columns by name, the width of the terminal, LaTeX's label and caption."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from analysis.cli import main
from studies.library import find_study
from tests.analysis.synthetic import finish
from tests.terminal import in_a_terminal

TEXT = """from dataclasses import replace

from lightning_bam import BAMSpec, Run
from studies import Study

STUDY = Study(
    name="made",
    question="Does it help, and if so by how much, and where, and what does it cost to have it there?",
    rows={"none": Run(), "attention=bam,attention.combine=product": Run(attention=BAMSpec(combine="product"))},
    baseline="none",
    scientific=("attention",),
    seeds=3,
)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return the words that name a study with made-up runs, and its root."""
    home = tmp_path_factory.mktemp("columns")
    (home / "made.py").write_text(TEXT)
    for place, (_, run) in enumerate(find_study(str(home / "made.py")).runs()):
        finish(home / "runs", run, 20 + (place * 7 % 5) / 4, loss=2 + place / 8)
    return [str(home / "made.py"), "--root", str(home / "runs")]


def table(capsys, place, *words):
    """Return how `bam table` exits, and what it prints."""
    capsys.readouterr()
    try:
        code = main(["table", *place, *words])
    except SystemExit as left:
        code = left.code
    return code, *capsys.readouterr()


def test_columns_by_name(place, capsys):
    code, out, err = table(capsys, place, "--columns", "verdict, n", "--notes", "none")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines() if line.startswith(("row", "none"))] == [
        ["row", "verdict", "n"],
        ["none", "baseline", "3"],
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--columns", "zzz"],
            "bam: --columns zzz: no such column; known: best, bootstrap_high, bootstrap_low, comparisons, compatible, "
            "compatible_delta, delta, delta_high, ... (`bam table STUDY --format csv` has all)",
        ),
        (
            ["--only", "zzz=1"],
            "bam: --only zzz=1: no such name; known: attention, attention.activation, attention.branches, "
            "attention.channel_layers, attention.combine, attention.dilated_convs, attention.dilation, attention.init, "
            "... (`bam table STUDY --runs` has those in which rows differ)",
        ),
        (["--columns", "verdct"], "bam: --columns verdct: no such column; did you mean 'verdict'?"),
        (
            ["--columns", "n,,row"],
            "bam table: argument --columns: 'n,,row' is not names of columns, as row,delta,verdict",
        ),
        (["--columns", "n", "--format", "json"], "bam: --columns n: JSON has all columns; leave it out"),
        (["--columns", "n", "--runs"], "bam: --columns n: --runs have all columns; leave it out"),
        (["--label", "tab:x"], "bam: --label tab:x: LaTeX alone has one; give --format tex"),
        (["--caption", "x", "--format", "md"], "bam: --caption x: LaTeX alone has one; give --format tex"),
        (["--label", "t}"], "bam table: argument --label: 't}' is not letters, digits and : . _ + / - alone"),
        (["--caption", "5 %"], r"bam table: argument --caption: '5 %': a caption is LaTeX: write \% for %"),
        (
            ["--caption", "a}{"],
            r"bam table: argument --caption: 'a}{': LaTeX wants a } for each {, and no \ at the end",
        ),
        (["--caption", " "], "bam table: argument --caption: ' ': give a caption in one line"),
    ],
)
def test_what_no_page_can_have_is_refused_in_one_line(place, capsys, words, said):
    code, out, err = table(capsys, place, *words)
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == said
    assert len(err.splitlines()) == 1


def test_a_label_is_that_of_one_table(place, capsys):
    code, out, err = table(capsys, ["quickstart", *place], "--label", "t", "--format", "tex")
    assert (code, out, err) == (2, "", "bam: --label t: is that of one table; name one study\n")


def widest(text):
    return max(map(cell_len, text.splitlines()))


def test_a_pipe_is_as_wide_as_columns_says_and_else_leaves_nothing_out(place, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    out = table(capsys, place)[1]
    assert widest(out) <= 70
    assert "Left out at 70 columns: macs" in out
    monkeypatch.setenv("COLUMNS", "wide")  # no number, so none
    assert "Left out" not in table(capsys, place)[1]
    monkeypatch.delenv("COLUMNS")
    out = table(capsys, place)[1]
    assert "Left out" not in out
    assert 70 < widest(out) <= 100


def test_a_file_has_all_columns_whatever_the_terminal(place, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "60")
    assert table(capsys, place, "-o", str(tmp_path / "table.txt"))[0] == 0
    assert "MACs" in (tmp_path / "table.txt").read_text()


def plainly(words):
    """Return what `bam` prints in a terminal of 80 columns, without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", in_a_terminal(words)).replace("\r", "")


def test_a_table_in_a_terminal_of_80_columns(place):
    text = plainly(["table", *place])
    assert "attention=bam,attention." in text
    assert "Left out at 80 columns: macs, params." in text
    assert widest(text) <= 80


def test_a_question_in_a_terminal_breaks_between_words(place):
    lines = plainly(["seeds", *place]).splitlines()
    assert lines[0].rstrip() == "made: Does it help, and if so by how much, and where, and what does it cost to"
    assert lines[1].rstrip() == "have it there?"
