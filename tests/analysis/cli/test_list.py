"""What a runs folder says of studies that somebody has forgotten: `bam list`, --as, and an empty table's hint."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.cli import main
from lightning_bam.config import BAMSpec, Digits, Recipe, Run, SmallResNet
from lightning_bam.run_folder.folder import RunFolder
from studies.records.inventory import known_studies
from tests.analysis.cli.conftest import TINY
from tests.analysis.synthetic import finish, interrupt

RUN = Run(dataset=Digits(), backbone=SmallResNet(width=4), recipe=Recipe(epochs=2))


def begin(root, run, label, row, **entry):
    """Write a complete run that was begun for a row of a study."""
    finish(root, run, 50.0, studies={label: {"row": row, **entry}}, started="2026-01-02T03:04:05+00:00")


def listed(capsys, *argv):
    capsys.readouterr()
    assert main(["list", *argv]) == 0
    return capsys.readouterr().out


def commands(out):
    return [line for line in out.splitlines() if line.startswith("bam ")]


def test_a_study_file_that_was_run_is_found_again_with_its_command(tiny_home, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    out = listed(capsys, "--root", str(tiny_home / "runs"))
    assert out.splitlines()[1].split()[:4] == ["tiny", "2", "0-1", "4"]
    (command,) = commands(out)
    assert shlex.split(command) == ["bam", "table", str(tiny_home / "tiny.py"), "--root", str(tiny_home / "runs")]
    assert main([*shlex.split(command)[1:], "--format", "json"]) == 0
    assert [row["n"] for row in json.loads(capsys.readouterr().out)["rows"]] == [2, 2]
    monkeypatch.chdir(tiny_home)
    assert commands(listed(capsys)) == ["bam table tiny.py"]


def test_a_path_is_quoted_and_a_file_that_is_gone_is_said_to_be(tmp_path, capsys):
    path = tmp_path / "my studies; rm -rf ~" / "a b.py"
    begin(
        tmp_path / "runs",
        RUN,
        "mine+recipe.epochs=2",
        "none",
        asked=shlex.join([str(path), "--set", "recipe.epochs=2"]),
    )
    (command,) = commands(listed(capsys, "--root", str(tmp_path / "runs")))
    assert shlex.split(command, comments=True) == [
        *("bam", "table", str(path), "--set", "recipe.epochs=2", "--root", str(tmp_path / "runs"))
    ]
    assert command.endswith(f"# {path} is there no more; name the file where it is now")


def test_the_catalogue_s_label_is_a_command_without_any_words_on_record(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begin(Path("runs"), RUN, "reduction+small+recipe.epochs=3", "none")
    begin(Path("runs"), replace(RUN, seed=3), "mine+small", "none")
    begin(Path("runs"), replace(RUN, seed=4), "search+bam", "none")
    out = listed(capsys)
    assert commands(out) == [
        "bam table reduction --preset small --set recipe.epochs=3",
        "bam table FILE.py --preset small  # FILE.py stands for the study's file, which these records do not name",
    ]
    assert "search+bam" in out


@pytest.mark.parametrize(
    "asked", ["tiny.py --root /etc", "--preset small", "tiny.py --set", "'", "a\x1b[2J.py", "x.py --devices cpu:1", ""]
)
def test_words_that_no_call_has_written_are_no_command(tmp_path, capsys, asked):
    begin(tmp_path, RUN, "tiny", "none", asked=asked)
    (study,) = known_studies(tmp_path)
    assert study.asked == ()
    assert "\x1b" not in listed(capsys, "--root", str(tmp_path))


def test_states_seeds_and_what_cannot_be_read(tmp_path, capsys):
    for seed in (0, 1, 2, 7):
        begin(
            tmp_path,
            replace(RUN, seed=seed),
            "tiny",
            "none",
            asked="reduction --seeds 3" if seed < 3 else "reduction --seeds 8",
        )
    bam = replace(RUN, attention=BAMSpec(reduction=4))
    interrupt(tmp_path, bam, "failed")
    RunFolder.of(tmp_path, bam).note(studies={"tiny": {"row": "BAM"}})
    (tmp_path / "0123456789abcdef").mkdir()
    (tmp_path / "0123456789abcdef" / "manifest.json").write_text("{")
    assert main(["list", "--root", str(tmp_path), "--json"]) == 0
    out, err = capsys.readouterr()
    (study,) = json.loads(out)
    assert set(study["rows"]) == {"none", "BAM"}
    assert study["seeds"] == [0, 1, 2, 7]
    assert study["states"] == {"complete": 4, "failed": 1}
    assert study["table"] == f"bam table reduction --seeds 8 --root {tmp_path}"
    assert "1 run folder cannot be read (0123456789abcdef)" in err
    assert "0-2, 7" in listed(capsys, "--root", str(tmp_path))


def test_an_empty_table_says_under_which_options_its_study_has_runs(tiny_copy, capsys):
    assert main(["table", "tiny.py", "--set", "recipe.epochs=1"]) == 0
    err = capsys.readouterr().err.splitlines()
    assert (
        err[0] == "bam table: tiny+recipe.epochs=1: none of its runs has begun; the runs folder has others of 'tiny':"
    )
    assert err[1].startswith("  bam table ")
    assert err[1].endswith("tiny.py  (4 complete)")
    assert main(["table", "tiny.py"]) == 0
    assert capsys.readouterr().err == ""


def test_an_edited_study_s_earlier_runs_are_called_so(tiny_copy, capsys):
    Path("tiny.py").write_text(TINY.replace("epochs=2", "epochs=3"))
    assert main(["table", "tiny.py"]) == 0
    assert "(4 complete; of other seeds, settings or code)" in capsys.readouterr().err


def test_run_ends_with_the_command_of_the_table(tiny_copy, capsys):
    argv = ["--set", "recipe.lr=0.1", "--seeds", "2", "--only", "row=BAM"]
    assert main(["run", "tiny.py", *argv, "--wandb", "off"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == (
        "tiny: its table: bam table tiny.py --set recipe.lr=0.1 --only row=BAM --seeds 2"
    )


class TestAs:
    def run(self, *argv):
        return main(["run", "tiny.py", "--wandb", "off", "--devices", "cpu:2", *argv])

    def test_a_name_stands_for_the_options_that_it_was_given_with(self, tiny_copy, capsys):
        assert self.run("--set", "recipe.epochs=1", "--seeds", "1", "--as", "quick") == 0
        capsys.readouterr()
        assert main(["table", "tiny.py", "--as", "quick", "--seeds", "1", "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["study"] == "tiny+recipe.epochs=1"
        (line,) = [line for line in commands(listed(capsys)) if "--set" in line]
        assert line == "bam table tiny.py --set recipe.epochs=1 --seeds 1  # --as quick"
        assert self.run("--as", "quick", "--seeds", "1") == 0, "and nothing is trained again"
        assert "2 of 2 runs complete, 0 of them now" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("argv", "line"),
        [
            (["--as", "quik"], "--as quik: tiny has no variant of this name under runs; did you mean 'quick'?"),
            (
                ["--as", "quick", "--set", "recipe.epochs=3"],
                "--as quick: is --set recipe.epochs=1, not what is asked here; give another name",
            ),
            (["--as", "a/b"], "--as 'a/b': give 1 to 120 letters, digits and signs of -_."),
            (
                ["--as", "same", "--set", "recipe.epochs=2"],
                "--as same: tiny is the same without --preset and --set",
            ),
        ],
    )
    def test_a_name_that_means_nothing_or_something_else_is_refused(self, tiny_copy, capsys, argv, line):
        Path("runs/variants").mkdir()
        Path("runs/variants/tiny+quick.json").write_text('{"preset": null, "settings": {"recipe.epochs": "1"}}')
        assert self.run(*argv) == 2
        assert capsys.readouterr().err == f"bam: {line}\n"

    def test_a_name_that_only_reads_names_nothing(self, tiny_copy, capsys):
        assert main(["table", "tiny.py", "--set", "recipe.epochs=1", "--as", "quick"]) == 2
        assert not Path("runs/variants").exists()
        assert "`bam run` names one, with --as beside --preset and --set" in capsys.readouterr().err

    def test_a_file_of_a_name_that_was_edited_is_refused(self, tiny_copy, capsys):
        Path("runs/variants").mkdir()
        Path("runs/variants/tiny+quick.json").write_text('{"preset": 3}')
        assert main(["table", "tiny.py", "--as", "quick"]) == 2
        assert "tiny+quick.json: edited: it has no preset and settings" in capsys.readouterr().err


class TestNamesakes:
    def test_another_file_that_defines_other_runs_under_the_same_name_is_refused(self, tiny_copy, tiny_home, capsys):
        Path("other.py").write_text(TINY.replace("reduction=4", "reduction=2"))
        assert main(["run", "other.py", "--wandb", "off"]) == 2
        key = {folder.path.name for (row, _), folder in tiny_copy.items() if row == "BAM"}
        err = capsys.readouterr().err
        assert err.startswith(
            f"bam: other.py: {tiny_home}/tiny.py defines a study 'tiny', too, and has begun other runs"
        )
        assert any(f"(row 'BAM', run {one}); give this one another name" in err for one in key)

    def test_so_are_two_of_one_call(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        Path("one.py").write_text(TINY)
        Path("other.py").write_text(TINY.replace("reduction=4", "reduction=2"))
        assert main(["run", "one.py", "other.py", "--wandb", "off"]) == 2
        line = "bam: other.py: one.py defines a study 'tiny', too, with other rows; give this one another name\n"
        assert capsys.readouterr().err == line
        assert not Path("runs").exists()

    def test_a_copy_and_an_edited_file_are_not(self, tiny_copy, capsys):
        shutil.copy("tiny.py", "copy.py")
        assert main(["run", "copy.py", "--wandb", "off"]) == 0

    def test_a_file_that_was_moved_is_not(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        begin(Path("runs"), RUN, "tiny", "none", asked=f"{tmp_path}/before.py")
        Path("now.py").write_text(TINY)
        arguments = ["run", "now.py", "--wandb", "off", "--seeds", "1", "--devices", "cpu:2"]
        Path("before.py").write_text("")
        assert main(arguments) == 2, "it is there"
        Path("before.py").unlink()
        assert main(arguments) == 0, capsys.readouterr().err

    def test_the_catalogue_s_name_is_taken_once_it_has_runs(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        begin(Path("runs"), RUN, "reduction", "none", asked="reduction")
        Path("mine.py").write_text(TINY.replace('name="tiny"', 'name="reduction"'))
        assert main(["run", "mine.py", "--wandb", "off"]) == 2
        assert "bam: mine.py: the catalogue defines a study 'reduction', too" in capsys.readouterr().err
