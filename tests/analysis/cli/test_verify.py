"""`bam verify` on runs that were trained for real, and then damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from analysis.cli import main


def verified(capsys, *argv, code):
    capsys.readouterr()
    assert main(["verify", *argv]) == code
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_real_records_are_fine_and_so_is_the_table_made_of_them(tiny_copy, capsys):
    assert verified(capsys, "tiny.py", code=0) == ["verified: 4 complete runs of 1 study, 0 problems"]
    assert main(["table", "tiny.py", "--format", "json", "--output", "table.json"]) == 0
    assert verified(capsys, "tiny.py", "--table", "table.json", code=0) == [
        "verified: 4 complete runs of 1 study, compared with 1 table, 0 problems"
    ]
    assert verified(capsys, "tiny.py", "--seeds", "3", code=0) == [
        "verified: 4 complete runs of 1 study, 2 runs still to come, 0 problems"
    ]


@pytest.mark.parametrize("name", ["metrics.jsonl", "checkpoints/last.ckpt", "run.json", "result.json"])
def test_a_flipped_byte_is_one_line(tiny_copy, capsys, name):
    path = tiny_copy["BAM", 1].path / name
    flip(path, path.stat().st_size // 2)
    problem, summary = verified(capsys, "tiny.py", code=1)
    assert problem.startswith(f"{path}: ")
    assert "remove" in problem
    assert problem.endswith("(tiny, row 'BAM', seed 1)")
    assert summary.endswith(", 1 problem")


def test_a_torn_result_is_named_and_not_bundled(tiny_copy, capsys):
    path = tiny_copy["BAM", 1].path / "result.json"
    path.write_text("{")
    problem, summary = verified(capsys, "tiny.py", code=1)
    assert problem.startswith(f"{path}: ")
    assert summary.endswith(", 1 problem")
    assert main(["bundle", "tiny.py", "-o", "tiny.tar.gz"]) == 2
    assert f"{path}: " in capsys.readouterr().err
    assert not Path("tiny.tar.gz").exists()


def test_a_checkpoint_that_is_gone_is_a_note(tiny_copy, capsys):
    shutil.rmtree(tiny_copy["none", 0].path / "checkpoints")
    note, summary = verified(capsys, "tiny.py", code=0)
    assert note.startswith("note: tiny: no checkpoint here for 1 of 4 runs: fetched from another host, left out of a ")
    assert summary == "verified: 4 complete runs of 1 study, 0 problems"


def test_a_copied_folder_and_a_forged_table(tiny_copy, capsys):
    assert main(["table", "tiny.py", "--format", "json", "--output", "table.json"]) == 0
    table = json.loads(Path("table.json").read_text())
    table["rows"][1]["mean"] -= 1
    Path("table.json").write_text(json.dumps(table))
    shutil.rmtree(tiny_copy["BAM", 1].path)
    shutil.copytree(tiny_copy["BAM", 0].path, tiny_copy["BAM", 1].path)
    lines = verified(capsys, "tiny.py", "--table", "table.json", code=1)
    ours, theirs = tiny_copy["BAM", 1].path, tiny_copy["BAM", 0].path
    assert lines[0] == (
        f"{ours}/run.json describes run {theirs.name}, expected {ours.name}; remove a copy (tiny, row 'BAM', seed 1)"
    )
    assert any(line.startswith("table.json: column mean: the file says ") for line in lines)
    assert any(line.startswith("table.json: column n: the file says 2, the runs give 1 (tiny, ") for line in lines)


def test_without_a_name_every_folder_is_checked(tiny_copy, capsys):
    flip(tiny_copy["none", 0].path / "checkpoints" / "last.ckpt", 5)
    shutil.copytree(tiny_copy["none", 1].path, "runs/copy")
    first, second, summary = verified(capsys, code=1)
    assert first.startswith(f"{tiny_copy['none', 0].path}/checkpoints/last.ckpt: not the file that the training left (")
    assert second.startswith(f"runs/copy: describes run {tiny_copy['none', 1].path.name}, which belongs in ")
    assert (
        summary == "verified: 4 complete runs, 2 problems; name a study's file to check its rule, seeds and rows, too"
    )


def test_json(tiny_copy, capsys):
    flip(tiny_copy["BAM", 0].path / "result.json", 40)
    found = json.loads("\n".join(verified(capsys, "tiny.py", "--json", code=1)))
    assert found["studies"] == ["tiny"]
    assert not found["fine"]
    (problem,) = found["problems"]
    assert (problem["study"], problem["row"], problem["seed"], problem["level"]) == ("tiny", "BAM", 0, "problem")
    assert {run["hashes"] for run in found["runs"]} == {run["checkpoint"] for run in found["runs"]} == {True}


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["tiny.py", "--table", "absent.json"], "bam: --table absent.json: cannot be read (No such file or directory)"),
        (["tiny.py", "--table", "tiny.py"], "bam: --table tiny.py: torn or not JSON ("),
        (["--seeds", "3"], "bam: verify: --preset, --set, --as, --only, --seeds and --margin change a study; name it"),
        (
            ["quickstart", "--table", "t.json"],
            "bam: --table: one is of study 'tiny', which is not verified here; name it",
        ),
        (["--table", "t.json"], "bam: --table: one is of study 'tiny', which is not verified here; name it, with the"),
        (["tiny.py", "--root", "rums"], "bam: --root rums: no such folder; give the runs folder"),
        (["tiny"], "bam: study 'tiny': no such study; "),
    ],
)
def test_wrong_input_is_one_line(tiny_copy, capsys, argv, line):
    assert main(["table", "tiny.py", "--format", "json", "--output", "t.json"]) == 0
    capsys.readouterr()
    assert main(["verify", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(line), err
    assert err.count("\n") == 1


def test_a_catalogue_study_is_found_by_its_table(tmp_path, monkeypatch, capsys):
    """Nothing has been trained: the table says so, and a figure in it is a forgery."""
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    assert main(["table", "quickstart", "--format", "json", "--output", "t.json"]) == 0
    assert verified(capsys, "--table", "t.json", code=0) == [
        "verified: 0 complete runs of 1 study, 12 runs still to come, compared with 1 table, 0 problems"
    ]
    table = json.loads(Path("t.json").read_text())
    table["rows"][2]["mean"] = 12.5
    Path("t.json").write_text(json.dumps(table))
    assert verified(capsys, "--table", "t.json", code=1)[0] == (
        "t.json: column mean: the file says 12.5, the runs give null (quickstart, row 'BAM product')"
    )
