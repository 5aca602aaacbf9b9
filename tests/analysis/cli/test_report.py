"""`bam report` as a person meets it."""

from __future__ import annotations

import os
import re
import threading

import pytest

from analysis.cli import main
from analysis.cli.output import size
from lightning_bam.run_folder.folder import RunFolder
from studies.library import find_study
from tests.analysis.report.made import fill
from tests.test_architecture import CALL, loaded_by


@pytest.fixture
def root(tmp_path):
    study = find_study("quickstart")
    fill(tmp_path / "runs", study, {row: [15.0 + n, 16.1 + n, 14.2 + n] for n, row in enumerate(study.rows)})
    return tmp_path / "runs"


def test_one_line_says_where_the_page_is_and_how_large(root, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["report", "quickstart", "--root", str(root), "-o", str(page)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"bam report: {page} ({size(page.stat().st_size)})\n"
    text = page.read_text()
    assert "<h1>Ablation report: quickstart</h1>" in text
    assert "12 of 12 runs complete" in text
    assert f"<code>bam report quickstart --root {root} -o {page}</code>" in text
    assert text.count("<img ") == 3, "effects, curves, seeds"
    assert "pareto (all rows cost the same, " in text
    assert text.count("<details>") == 5


def test_the_default_name_and_a_table_of_contents_for_several(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["report", "quickstart", "combine", "--root", str(root), "--seeds", "3", "--preset", "small"]
    assert main([*words, "--set", "recipe.epochs=4"]) == 2, "quickstart has no preset"
    assert main(["report", "combine", "norm", "--root", str(root), "--seeds", "2", "--only", "row=no such"]) == 2
    assert main(["report", "quickstart", "combine", "--root", str(root), "--seeds", "2"]) == 0
    text = (tmp_path / "report.html").read_text()
    assert "<h1>Ablation report of 2 studies</h1>" in text
    assert re.findall(r'<li><a href="#(study-\d)">', text) == ["study-1", "study-2"]
    assert "bam report quickstart combine --seeds 2 --root" in text
    assert main(["report", "quickstart", "--root", str(root), "--margin", "0.5", "--only", "row=BAM max"]) == 0
    text = (tmp_path / "report.html").read_text()
    assert "bam report quickstart --only &#x27;row=BAM max&#x27; --margin 0.5 --root" in text


def test_nothing_run_is_a_page_too(tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    monkeypatch.setenv("BAM_ROOT", str(tmp_path / "none"))
    assert main(["report", "quickstart", "-o", str(page)]) == 0
    assert "No run is complete (12 missing): nothing can be said yet." in page.read_text()
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("no/such/page.html", "--output 'no/such/page.html': name a page in a folder that is there, as report.html"),
        (".", "--output '.': name a page in a folder that is there, as report.html"),
        ("/proc/page.html", "/proc/page.html: cannot be written"),
    ],
)
def test_a_page_that_cannot_be_written_is_one_line(root, tmp_path, monkeypatch, capsys, output, said):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "quickstart", "--root", str(root), "-o", output]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"bam: {said}")
    assert told.err.count("\n") == 1


def test_a_page_goes_through_a_link_or_a_pipe_and_leaves_both(root, tmp_path, capsys):
    """What was there stays what it was; as another user would find out with /dev/null."""
    page, link, pipe = tmp_path / "page.html", tmp_path / "link.html", tmp_path / "pipe"
    page.write_text("old")
    link.symlink_to("page.html")
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    for there in (link, pipe):
        assert main(["report", "quickstart", "--root", str(root), "-o", str(there)]) == 0
        reader.join(10 * (there == pipe))
    assert link.is_symlink()
    assert pipe.is_fifo()
    assert len(read) == 1
    for text in (page.read_text(), *read):
        assert text.startswith("<!doctype html>")
        assert text.endswith("</html>\n")
    assert capsys.readouterr().err.endswith(f"bam report: {pipe} ({size(len(read[0].encode()))})\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.html", "page.html", "pipe", "runs"]


@pytest.mark.parametrize("words", [[], ["quickstart", "--all"]])
def test_studies_or_all_of_them(words, capsys):
    assert main(["report", *words]) == 2
    assert "name the studies, or say --all" in capsys.readouterr().err


def test_a_page_is_replaced_whole(root, tmp_path):
    page = tmp_path / "page.html"
    words = ["report", "quickstart", "--root", str(root), "-o", str(page)]
    assert main(words) == 0
    before = page.read_text()
    study = find_study("quickstart")
    (RunFolder.of(root, study.runs()[0].run).path / "result.json").write_text("{")
    assert main(words) == 2
    assert page.read_text() == before
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ""] == ["page.html"]


def test_sizes_are_short():
    assert [size(count) for count in (999, 412_345, 1_300_000)] == ["1 kB", "412 kB", "1.3 MB"]


def test_it_loads_no_torch(root, tmp_path):
    argv = ["report", "quickstart", "--root", str(root), "-o", str(tmp_path / "page.html")]
    assert not set(loaded_by(CALL.format(argv=argv))) & {"torch", "torchvision", "pytorch_lightning", "wandb", "optuna"}
    assert (tmp_path / "page.html").exists()
