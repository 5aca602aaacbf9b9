"""`bam plot` as a person meets it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from analysis.cli import main
from studies.library import find_study
from tests.analysis.plots.sample_studies import complete

STUDY = "quickstart"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Write a runs folder with every run of the quickstart, made up."""
    root = tmp_path_factory.mktemp("runs")
    study = find_study(STUDY)
    for place, (_, run) in enumerate(study.runs()):
        complete(root, run, 15 + (place * 7 % 5) / 4, params=78_000 + place % 4, macs=7_000_000)
    return root


def test_every_kind_that_has_something_to_show(root, tmp_path, capsys):
    assert main(["plot", STUDY, "--root", str(root), "-o", str(tmp_path / "a" / "b")]) == 0
    out, err = capsys.readouterr()
    names = [f"quickstart-{kind}.png" for kind in ("effects", "pareto", "curves", "seeds")]
    assert out.splitlines() == [str(tmp_path / "a" / "b" / name) for name in names]
    assert err == ""
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == sorted(names)
    assert all((tmp_path / "a" / "b" / name).read_bytes().startswith(b"\x89PNG") for name in names)


def test_asked_kinds_in_their_order_and_format(root, tmp_path, capsys):
    words = ["seeds", "effects", "seeds", "--format", "svg", "--only", "attention.combine=max"]
    assert main(["plot", STUDY, *words, "--root", str(root), "-o", str(tmp_path)]) == 0
    assert [line.rpartition("/")[2] for line in capsys.readouterr().out.splitlines()] == [
        "quickstart-seeds.svg",
        "quickstart-effects.svg",
    ]
    text = (tmp_path / "quickstart-effects.svg").read_text()
    assert "BAM max" in text
    assert "BAM sum" not in text


def test_an_asked_kind_that_has_nothing_to_show_is_told_and_the_others_are_written(root, tmp_path, capsys):
    words = ["published", "effects", "marginal", "--format", "pdf"]
    assert main(["plot", STUDY, *words, "--root", str(root), "-o", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == f"{tmp_path}/quickstart-effects.pdf\n"
    assert err.splitlines() == [
        "bam plot: quickstart: no published: the paper prints no figure for any of its rows, at this scale",
        "bam plot: quickstart: no marginal: no two factors are crossed by the finished rows",
    ]


def test_nothing_at_all_to_show(tmp_path, capsys):
    assert main(["plot", STUDY, "--root", str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 7
    assert "bam plot: quickstart: no curves: no run is complete yet" in err.splitlines()
    assert not (tmp_path / "out").exists()


def test_json(root, tmp_path, capsys):
    assert main(["plot", STUDY, "effects", "--json", "--root", str(root), "-o", str(tmp_path)]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert list(told) == ["path", "name", "title", "alt", "caption"]
    assert told["path"] == str(tmp_path / "quickstart-effects.png")
    assert told["alt"].startswith("Forest plot of the difference in top-1 error")


def test_a_file_is_named_with_signs_that_latex_takes(tmp_path, capsys):
    study = find_study(STUDY).override({"recipe.milestones": "0.5,0.75", "recipe.schedule": "step"})
    for place, (_, run) in enumerate(study.runs()):
        complete(tmp_path / "runs", run, 15 + place / 10, params=78_000, macs=7_000_000)
    words = ["--set", "recipe.milestones=0.5,0.75", "--set", "recipe.schedule=step", "--format", "pdf"]
    assert main(["plot", STUDY, "seeds", *words, "--root", str(tmp_path / "runs"), "-o", str(tmp_path)]) == 0
    name = "quickstart-recipe-milestones-0-5-0-75-recipe-schedule-step-seeds"
    assert capsys.readouterr().out == f"{tmp_path}/{name}.pdf\n"
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    page = r"\documentclass{article}\usepackage{graphicx}\begin{document}\includegraphics{%s}\end{document}"
    (tmp_path / "page.tex").write_text(page % name)
    call = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "page.tex"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-1000:]
    assert name in done.stdout.replace("\n", "")


JAPANESE = """from lightning_bam import BAMSpec, Run
from studies import Study

STUDY = Study(name="signs", question="本?", rows={"none": Run(), "BAM 日本": Run(attention=BAMSpec())}, baseline="none",
              scientific=("attention",), seeds=2)
"""


@pytest.fixture
def japanese(tmp_path):
    (tmp_path / "signs.py").write_text(JAPANESE)
    for place, (_, run) in enumerate(find_study(str(tmp_path / "signs.py")).runs()):
        complete(tmp_path / "runs", run, 15 + place / 10, params=78_000 + place, macs=7_000_000)
    return [str(tmp_path / "signs.py"), "--root", str(tmp_path / "runs")]


def test_signs_that_the_font_lacks_are_one_line(japanese, tmp_path, capsys, recwarn):
    assert main(["plot", *japanese, "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().err == "bam plot: signs: matplotlib's font lacks 日本: a box stands for each\n"
    assert main(["plot", *japanese, "-o", str(tmp_path), "--format", "svg"]) == 0
    assert capsys.readouterr().err == "", "an SVG holds text, and its reader's fonts may have them"
    assert main(["report", *japanese, "-o", str(tmp_path / "report.html")]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert [one for one in recwarn if "Glyph" in str(one.message)] == []


def test_signs_that_latex_lacks_are_one_line(japanese, capsys):
    assert main(["table", *japanese, "--format", "tex"]) == 0
    out, err = capsys.readouterr()
    assert err == "bam table: plain pdfLaTeX has no font for 本日: a ? stands for each\n"
    assert "% plain pdfLaTeX has no font for 本日: a ? stands for each" in out.splitlines()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([STUDY, "effect"], "bam: plot 'effect': no such kind; did you mean 'effects'?"),
        (
            [STUDY, "xyz"],
            "bam: plot 'xyz': no such kind; known: curves, effects, interaction, marginal, ",
        ),
        (["quickstrat"], "did you mean 'quickstart'?"),
        ([STUDY, "--format", "gif"], "bam plot: argument --format: 'gif' is not known; known: pdf, png, svg"),
    ],
)
def test_bad_input_is_one_line(root, tmp_path, capsys, words, said):
    try:
        code = main(["plot", *words, "--root", str(root), "-o", str(tmp_path)])
    except SystemExit as left:
        code = left.code
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_output_that_is_a_file_or_cannot_be_made(root, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["plot", STUDY, "--root", str(root), "-o", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == f"bam: --output {tmp_path}/file: is a file; give a folder\n"
    assert main(["plot", STUDY, "effects", "--root", str(root), "-o", str(tmp_path / "file" / "in")]) == 2
    err = capsys.readouterr().err
    assert err == f"bam: {tmp_path}/file/in/quickstart-effects.png: cannot be written (Not a directory)\n"


def test_help_names_the_kinds_and_loads_no_matplotlib_and_drawing_no_torch(root, tmp_path):
    code = (
        "import sys\nfrom analysis.cli import main\ntry:\n    main(['plot', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'matplotlib', 'pandas', 'torch'} & set(sys.modules)\n"
        f"main(['plot', 'quickstart', '--root', {str(root)!r}, '-o', {str(tmp_path)!r}])\n"
        "assert not {'torch', 'pytorch_lightning', 'wandb', 'optuna', 'matplotlib.pyplot'} & set(sys.modules)\n"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "pareto: the figures against parameters and multiply-accumulates" in " ".join(out.split())


def test_a_notebook_s_backend_and_a_matplotlibrc_change_nothing(root, tmp_path):
    """`!bam plot` in a notebook inherits a backend of its own, which this interpreter may not have."""
    assert main(["plot", STUDY, "effects", "--root", str(root), "-o", str(tmp_path / "plain")]) == 0
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\naxes.grid: True\nsavefig.dpi: 30\n")
    environment = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    words = [sys.executable, "-m", "analysis.cli", "plot", STUDY, "effects", "--root", str(root), "-o", "theirs"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "theirs/quickstart-effects.png\n", "")
    name = "quickstart-effects.png"
    assert (tmp_path / "theirs" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
