"""The command as a person meets it: what it prints, where, and its exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from analysis.cli import main
from lightning_bam.run_folder.folder import RunFolder
from studies.library import find_study

MINE = '''"""Does SE help as much as BAM?"""
from dataclasses import replace
from lightning_bam import BAMSpec, Digits, Recipe, Run, SESpec, SmallResNet
from studies import Study

base = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=2, batch_size=64, schedule="cosine", crop_padding=0, flip=False),
)
STUDY = Study(
    name="mine",
    question="Does SE help as much as BAM?",
    rows={
        "none": base,
        "BAM": replace(base, attention=BAMSpec(reduction=4, dilation=1)),
        "SE": replace(base, attention=SESpec(reduction=4)),
    },
    baseline="none",
    scientific=("attention",),
    seeds=2,
)
'''


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a user's own study, run once."""
    home = tmp_path_factory.mktemp("user")
    (home / "mine.py").write_text(MINE)
    assert len(MINE.splitlines()) <= 25, "a study of one's own takes at most 25 lines"
    code = main(["run", str(home / "mine.py"), "--root", str(home / "runs"), "--devices", "cpu:2", "--wandb", "off"])
    assert code == 0
    return home


@pytest.fixture
def own(workplace, tmp_path, monkeypatch):
    """A copy of it, as the working directory."""
    shutil.copytree(workplace, tmp_path / "user")
    monkeypatch.chdir(tmp_path / "user")
    return Path()


def lines(capsys):
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_run_is_idempotent_and_talks_on_stderr(own, capsys):
    assert main(["run", "mine.py", "--wandb", "off"]) == 0
    out, err = lines(capsys)
    assert out == ""
    assert err.splitlines()[-2:] == [
        "mine: 6 of 6 runs complete, 0 of them now",
        "mine: its table: bam table mine.py",
    ]


def test_the_table_can_be_recomputed_by_hand(own, capsys):
    assert main(["table", "mine.py", "--format", "json", "--strict"]) == 0
    table = json.loads(lines(capsys)[0])
    by_row = {row["label"]: row for row in table["rows"]}
    errors: dict[str, dict[int, float]] = {"none": {}, "BAM": {}, "SE": {}}
    for path in Path("runs").glob("*/result.json"):
        run = json.loads((path.parent / "run.json").read_text())["run"]
        result = json.loads(path.read_text())
        row = {"bam": "BAM", "se": "SE"}[run["attention"]["kind"]] if run["attention"] else "none"
        errors[row][run["seed"]] = 100 * (500 - result["correct_top1"]) / 500
        assert by_row[row]["params"] == result["params"]
    for row, found in errors.items():
        a, b = found[0], found[1]
        assert by_row[row]["mean"] == pytest.approx((a + b) / 2, abs=1e-12)
        assert by_row[row]["sd"] == pytest.approx(abs(a - b) / 2**0.5, abs=1e-12)
        if row != "none":
            d = [found[s] - errors["none"][s] for s in (0, 1)]
            assert by_row[row]["delta"]["mean"] == pytest.approx(sum(d) / 2, abs=1e-12)
            if d[0] != d[1]:  # t(0.9875, 1) = 25.4517, for each of two rows half of 5 %
                half = 25.45169957935 * abs(d[0] - d[1]) / 2
                assert by_row[row]["delta"]["low"] == pytest.approx(sum(d) / 2 - half, abs=1e-9)


def test_every_format_and_several_studies(own, capsys):
    for form in ("text", "md", "csv", "json", "tex", "html"):
        assert main(["table", "mine.py", "--format", form, "--output", f"table.{form}"]) == 0
        assert Path(f"table.{form}").read_text().count("SE") >= 1
    assert lines(capsys) == ("", "")
    assert main(["table", "mine.py", "quickstart", "--format", "json"]) == 0
    assert [table["study"] for table in json.loads(lines(capsys)[0])] == ["mine", "quickstart"]
    assert main(["table", "mine.py", "quickstart", "--format", "csv"]) == 0
    rows = lines(capsys)[0].splitlines()
    assert len(rows) == 1 + 3 + 4
    assert rows[0].startswith("study,row,params")


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["--output", "t.csv"], "study,row,"),
        (["--output", "t.JSON"], "{"),
        (["--output", "t.md"], "**"),
        (["--output", "t.tex"], "% "),
        (["--output", "t.html"], "<table"),
        (["--output", "t.txt"], "Does"),
        (["--output", "t"], "Does"),
        (["--output", "t.2026"], "Does"),
        (["--output", "t.csv", "--format", "md"], "**"),
        (["--output", "t.pdf", "--format", "text"], "Does"),
    ],
    ids=str,
)
def test_a_table_is_written_as_its_file_ends_unless_a_format_is_named(own, capsys, words, begins):
    assert main(["table", "mine.py", *words]) == 0
    assert lines(capsys) == ("", "")
    assert Path(words[1]).read_text().startswith(begins)


def test_a_file_that_no_table_can_be_written_as_is_refused(own, capsys):
    assert main(["table", "mine.py", "--output", "t.pdf"]) == 2
    assert lines(capsys) == (
        "",
        "bam: --output t.pdf: no table is written as .pdf; end it in .txt, .md, .csv, .json, .tex, .html, or say "
        "--format\n",
    )
    assert not Path("t.pdf").exists()


def test_strict_says_what_is_missing(own, capsys):
    assert main(["table", "mine.py", "--seeds", "3", "--strict"]) == 3
    assert "1 missing" in lines(capsys)[0]
    assert main(["table", "mine.py", "--seeds", "3"]) == 0
    key = next(Path("runs").glob("*/result.json")).parent
    (key / "result.json").unlink()
    manifest = json.loads((key / "manifest.json").read_text())
    (key / "manifest.json").write_text(json.dumps(manifest | {"state": "failed", "error": "out of luck"}))
    assert main(["table", "mine.py", "--strict"]) == 1
    lines(capsys)
    assert main(["status", "mine.py"]) == 0
    assert "failed, epoch 2/2: out of luck" in lines(capsys)[0]
    assert main(["run", "mine.py", "--wandb", "off"]) == 1
    assert "1 failed (`bam status` says why; --retry failed trains them again)" in lines(capsys)[1]


def test_status_and_plan(own, capsys):
    assert main(["status", "mine.py", "--json", "--watch"]) == 0
    runs = json.loads(lines(capsys)[0])
    assert [run["state"] for run in runs] == ["complete"] * 6
    assert {run["epoch"] for run in runs} == {2}
    assert main(["plan", "mine.py", "--seeds", "3", "--json"]) == 0
    (plan,) = json.loads(lines(capsys)[0])
    assert (plan["runs"], plan["left"], plan["seeds"]) == (9, 3, 3)
    assert plan["rows"][0]["states"] == {"complete": 2, "missing": 1}
    assert plan["rows"][0]["device_hours_left"] is not None
    assert plan["rows"][1]["params"] > plan["rows"][0]["params"]
    assert main(["plan", "mine.py"]) == 0
    assert "0 of 6 runs left" in lines(capsys)[0]


def test_status_without_a_study_counts_the_runs_of_study_files(own, capsys, tmp_path, monkeypatch):
    asked = "(of a study file, of a search, or with other options)"
    assert main(["status"]) == 0
    assert lines(capsys)[0] == f"other runs {asked}: 6 complete; name the study, as in `bam status mine.py`\n"
    one, other, *_ = sorted(Path("runs").glob("*/result.json"))
    one.unlink()
    other.unlink()
    (other.parent / "manifest.json").write_text("{")
    assert main(["status"]) == 0
    assert lines(capsys)[0].startswith(f"other runs {asked}: 4 complete, 1 interrupted, 1 unreadable; ")
    monkeypatch.setenv("BAM_ROOT", str(tmp_path / "empty"))
    assert main(["status"]) == 0
    assert lines(capsys)[0] == "no study of the catalogue has been begun here; `bam studies` lists them\n"


def test_only_and_set(own, capsys):
    assert main(["table", "mine.py", "--only", "attention=se", "--format", "csv"]) == 0
    assert [line.split(",")[1] for line in lines(capsys)[0].splitlines()[1:]] == ["none", "SE"]
    assert main(["table", "mine.py", "--set", "recipe.epochs=3", "--strict"]) == 3
    assert "6 missing" in lines(capsys)[0]


def test_studies(capsys):
    assert main(["studies", "--json"]) == 0
    listed = {study["name"]: study for study in json.loads(lines(capsys)[0])}
    assert listed["reduction"]["paper"] == "1a"
    assert listed["reduction"]["runs"] == 25
    assert listed["quickstart"]["runs"] == 12
    assert main(["studies"]) == 0
    out = lines(capsys)[0]
    assert all(name in out for name in listed)
    assert "search bam" in out


@pytest.mark.parametrize(
    ("argv", "params", "macs"),
    [
        (["--attention", "bam", "--set", "attention.norm=hidden"], 24063319, 1324953600),
        (["--attention", "bam", "--set", "attention.norm=hidden", "--stride-on", "1x1"], 24063319, 1249456128),
        (["--attention", "bam-released", "--set", "attention.reduction=4"], 26293351, None),
        (["--attention", "none"], 23705252, 1298014208),
    ],
)
def test_cost(capsys, argv, params, macs):
    assert main(["cost", "--backbone", "resnet50", "--dataset", "cifar100", *argv, "--json"]) == 0
    found = json.loads(lines(capsys)[0])
    assert found["params"] == params
    assert macs is None or found["macs"] == macs


def test_cost_in_words(capsys):
    assert main(["cost", "--backbone", "resnet18"]) == 0
    assert lines(capsys)[0] == (
        "dataset cifar100; backbone resnet18 (width 64, stem small); attention none\n"
        "params       11,220,132\nMACs        555,468,800  for one image of 3 x 32 x 32\n"
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run", "quickstrat"], "bam: study 'quickstrat': no such study; did you mean 'quickstart'? (or give a path"),
        (["table", "nowhere/x.py"], "bam: nowhere/x.py: no such file"),
        (["cost", "--attention", "bam", "--set", "attention.redction=4"], "bam: attention.redction: no such knob; did"),
        (
            ["cost", "--attention", "bam", "--set", "attention.reduction=0"],
            "bam: attention.reduction='0': input should be greater than or equal to 1",
        ),
        (
            ["cost", "--attention", "bam", "--set", "attention.dilation=-1"],
            "bam: attention.dilation='-1': input should be greater than or equal to 1",
        ),
        (
            ["cost", "--attention", "bam", "--set", "attention.reduction=512"],
            "bam: row 'configuration': layer 'layer1': reduction=512: 256 channels are fewer than that",
        ),
        (["cost", "--attention", "bum"], "bam: attention=bum: no such attention; did you mean 'bam'?"),
        (["run", "quickstart", "--devices", "gpu"], "bam: --devices gpu: give GPU indices like 0,1"),
        (["run", "quickstart", "--devices", "cpu:3", "--devices-per-run", "2"], "bam: --devices-per-run 2: 3 devices"),
        (["run", "quickstart", "--preset", "small"], "bam: quickstart: no preset 'small'; it has none"),
        (["run", "reduction", "--preset", "smal"], "bam: reduction: no preset 'smal'; did you mean 'small'?"),
        (["run", "quickstart", "--preset", ""], "bam: quickstart: no preset ''; it has none"),
        (["run", "quickstart", "--root", ""], "bam: --root '': give the runs folder"),
        (["run", "quickstart", "--devices", ""], "bam: --devices '': give GPU indices like 0,1"),
        (["run", "quickstart", "--storage", "x"], "bam: --storage x: not an address of PostgreSQL"),
        (["reproduce", ""], "bam: '': give a run's folder, or its key under runs"),
        (["table", "quickstart", "--output", ""], "bam: .: cannot be written"),
        (["report", "quickstart", "--output", ""], "bam: --output '': name a page in a folder that is there, as"),
        (["run", "quickstart", "--root", "/proc/nowhere"], "bam: /proc/nowhere: cannot be written"),
        (["table", "quickstart", "--output", "/proc/x"], "bam: /proc/x: cannot be written"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(tmp_path, monkeypatch, capsys, argv, message):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    out, err = lines(capsys)
    assert out == ""
    assert err.startswith(message), err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir()), "nothing is written"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["runn"], "bam: argument VERB: 'runn' is not known; did you mean 'run'?"),
        (["run", "quickstart", "--seeds", "0"], "bam run: argument --seeds: '0' is not a number from 1 to 100,000"),
        (
            ["table", "quickstart", "--seeds", "99999999999999999999"],
            "bam table: argument --seeds: '99999999999999999999' is not a number from 1 to 100,000",
        ),
        (
            ["run", "quickstart", "--threads", "99999999999"],
            "bam run: argument --threads: '99999999999' is not a number from 1 to 1,024",
        ),
        (["run", "quickstart", "--set", "x"], "bam run: argument --set: 'x' is not name=value, as in recipe.epochs=30"),
        (["table", "quickstart", "--format", "htm"], "bam table: argument --format: 'htm' is not known; did you mean"),
        (["run", "quickstart", "--frobnicate"], "bam run: --frobnicate is no option of it; `bam run --help` lists"),
        (["table", "quickstart", "--strickt"], "bam table: --strickt is no option of it; did you mean --strict?"),
        (["doctor", "foo"], "bam doctor: 'foo' is one word too many"),
        (["explain", "quickstart", "BAM", "1", "2"], "bam explain: '2' is one word too many"),
        (["run", "quickstart", "--seeds", "2", "combine"], "bam run: 'combine' is one word too many; name what has no"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(capsys, argv, message):
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert left.value.code == 2
    out, err = lines(capsys)
    assert out == ""
    assert err.startswith(message), err
    assert err.count("\n") == 1


def damaged(own, change):
    folder = next(Path("runs").glob("*/result.json")).parent
    change(folder)
    return {path: path.read_bytes() for path in sorted(Path("runs").rglob("*.json*"))}


@pytest.mark.parametrize("verb", ["table", "run", "status", "plan"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: (f / "metrics.jsonl").write_text((f / "metrics.jsonl").read_text()[:-40]),
            "metrics.jsonl: torn: line 2 ",
        ),
        (
            lambda f: (f / "metrics.jsonl").write_text("{\n" + (f / "metrics.jsonl").read_text()),
            "metrics.jsonl: torn: line 1 is '{', not a JSON object",
        ),
        (
            lambda f: (f / "run.json").write_text((f / "run.json").read_text().replace('"schema": 1', '"schema": 99')),
            "run.json: written with schema 99, this version reads 1; use the version that wrote it or another --root",
        ),
        (lambda f: (f / "run.json").write_text('{"schema": 1, "key"'), "run.json: torn or not JSON"),
        (lambda f: (f / "result.json").write_text("[]"), "result.json: holds [], not an object"),
        (
            lambda f: (f / "result.json").write_text('{"error_top9": 1}'),
            "result.json: edited, or written by another version",
        ),
    ],
    ids=["torn-tail", "torn-head", "schema", "torn-run", "not-an-object", "unknown-field"],
)
def test_a_damaged_record_is_one_line_and_exit_2_and_kept(own, capsys, verb, change, message):
    before = damaged(own, change)
    assert main([verb, "mine.py"] + (["--wandb", "off"] if verb == "run" else [])) == 2
    out, err = lines(capsys)
    assert out == ""
    assert err.startswith("bam: runs/")
    assert message in err
    assert err.count("\n") == 1
    assert {path: path.read_bytes() for path in sorted(Path("runs").rglob("*.json*"))} == before


SPECS = "from dataclasses import replace; from studies import Study\nfrom lightning_bam import *\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\nSTUDY = 1\nsys.exit(0)\n", ", line 3: leaves with sys.exit(0); it has only to define STUDY"),
        ("\nraise ValueError('boom\\nsecond  line')\n", ", line 2: ValueError: boom second line"),
        ("x = (\n", ", line 1: SyntaxError: '(' was never closed"),
        ("STUDY = 1\n", ": STUDY is int, must be a studies.Study"),
        ("SPACE = 1\n", ": defines no STUDY"),
        (f"{SPECS}BAMSpec(reducton=4)\n", ", line 3: BAMSpec.reducton: no such knob; did you mean 'reduction'?\n"),
        (f"{SPECS}replace(Run(), atention=1)\n", ", line 3: Run.atention: no such knob; did you mean 'attention'?\n"),
        (f"{SPECS}Run(placement='every_block')\n", ", line 3: Run.placement='every_block': write EveryBlock()\n"),
        (
            f"{SPECS}Run(placement=None)\n",
            ", line 3: Run.placement=None: write AfterStages() or EveryBlock() or AtLayers()\n",
        ),
        (f"{SPECS}Run(attention='bam')\n", ", line 3: Run.attention='bam': write BAMSpec()\n"),
        (f"{SPECS}FasterRCNN(trunk='resnet50')\n", ", line 3: FasterRCNN.trunk='resnet50': write ResNet50()\n"),
        (f"{SPECS}Run(attention={{'x': 1}})\n", ", line 3: Run.attention={'x': 1}: write BAMSpec() or SESpec() or "),
        (f"{SPECS}AfterStages(stages=1)\n", ", line 3: AfterStages.stages=1: must be a tuple, as (1,)\n"),
        (f"{SPECS}EveryBlock(stages=1)\n", ", line 3: EveryBlock.stages: no such knob; 'every_block' has no knobs\n"),
        (
            f"{SPECS}Study(name='x', lr=3)\n",
            ", line 3: x: lr: no such knob; known: baseline, margin, metric, ",
        ),
        (f"{SPECS}Study(name='x', margn=3)\n", ", line 3: x: margn: no such knob; did you mean 'margin'?\n"),
    ],
)
def test_a_mistake_in_a_study_file_is_one_line(tmp_path, monkeypatch, capsys, text, message):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(text)
    assert main(["plan", "mine.py"]) == 2
    out, err = lines(capsys)
    assert out == ""
    assert err.startswith(f"bam: mine.py{message}")
    assert err.count("\n") == 1


def test_a_study_file_with_null_bytes_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("STUDY = 1\0\n")
    assert main(["plan", "mine.py"]) == 2
    said = lines(capsys)[1].replace("ValueError", "SyntaxError")  # what it was before Python 3.11.4
    assert said == "bam: mine.py: SyntaxError: source code string cannot contain null bytes\n"


def test_a_folder_that_is_named_like_a_study_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").mkdir()
    assert main(["plan", "mine.py"]) == 2
    assert lines(capsys)[1] == "bam: mine.py: is a folder; give a Python file\n"


def test_a_closed_pipe_is_no_error(own):
    command = (
        f"{sys.executable} -c 'import sys; from analysis.cli import main; sys.exit(main())' table mine.py | head -1"
    )
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.stdout == "Does SE help as much as BAM?\n"
    assert done.stderr == ""


EARLY = """
import signal, sys
class Early:
    def find_spec(self, name, *_):
        if name == {name!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Early())
from analysis.cli import main
sys.exit(main(["table", "quickstart"]))
"""


@pytest.mark.parametrize(
    "name", ["analysis.cli.parser", "studies.workers.signals", "analysis.cli.verbs.table", "analysis.table.build"]
)
def test_ctrl_c_while_something_is_still_loading_is_one_line(tmp_path, name):
    code = EARLY.format(name=name)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr == "bam: interrupted\n"


def test_only_verbs_that_go_on_say_so_when_interrupted(tmp_path):
    code = EARLY.format(name="studies.workers.signals").replace('"table", "quickstart"', '"run", "quickstart"')
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "bam: interrupted; the same command goes on from here\n")


def test_quickstart_offers_no_preset(capsys):
    for words in (["--help"], ["--preset", "small"]):
        with pytest.raises(SystemExit):
            main(["quickstart", *words])
    out, err = lines(capsys)
    assert "--set" in out
    assert "--preset" not in out
    assert err.startswith("bam quickstart: --preset is no option of it; ")


def test_quickstart_ends_in_its_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    argv = ["quickstart", "--seeds", "2", "--wandb", "off", "--devices", "cpu:2"]
    for change in ("recipe.epochs=1", "dataset.train=128", "dataset.test=50", "backbone.width=4"):
        argv += ["--set", change]
    assert main(argv) == 0
    first, _ = lines(capsys)
    assert main(argv) == 0
    again, err = lines(capsys)
    assert first == again
    assert "8 of 8 runs complete, 0 of them now" in err
    assert all(row in first for row in ("none", "BAM sum", "BAM product", "BAM max", "baseline", "(2)"))


def test_a_part_of_a_study_is_not_a_smaller_family(own, capsys):
    assert main(["table", "mine.py", "--format", "json"]) == 0
    whole = {row["label"]: row for row in json.loads(lines(capsys)[0])["rows"]}
    assert main(["table", "mine.py", "--only", "row=se", "--format", "json"]) == 0
    part = json.loads(lines(capsys)[0])
    assert part["notes"][1] == "1 of the study's 2 comparisons is shown; p is adjusted for all."
    alone = {row["label"]: row for row in part["rows"]}
    assert list(alone) == ["none", "SE"]
    if whole["SE"]["p_holm"] is not None:
        assert alone["SE"]["p_holm"] == min(1.0, 2 * alone["SE"]["delta"]["p"])


def test_a_damaged_journal_is_one_line(own, capsys):
    with Path("runs/studies.journal").open("a") as file:
        file.write("garbage\n")
    text = Path("runs/studies.journal").read_text()
    assert main(["run", "mine.py", "--wandb", "off"]) == 2
    _, err = lines(capsys)
    assert err.startswith("bam: runs/studies.journal: torn, or not Optuna's journal (")
    assert err.count("\n") == 1
    assert Path("runs/studies.journal").read_text() == text
    assert main(["table", "mine.py"]) == 0, "the run folders hold every result"


def test_a_root_that_is_a_file(own, capsys):
    for verb in ("table", "status", "plan"):
        assert main([verb, "mine.py", "--root", "mine.py"]) == 2
        assert lines(capsys) == ("", "bam: --root mine.py: is a file; give the runs folder\n")


@pytest.mark.parametrize("verb", ["table", "status", "seeds", "explain", "report", "factors", "plot", "status alone"])
def test_a_named_root_that_is_not_there_is_no_empty_table(own, capsys, verb):
    words = {"explain": ["explain", "mine.py", "SE"], "status alone": ["status"]}.get(verb, [verb, "mine.py"])
    assert main([*words, "--root", "rums"]) == 2
    assert lines(capsys) == ("", "bam: --root rums: no such folder; give the runs folder\n")
    assert not Path("rums").exists()


def test_before_the_first_run_the_table_is_empty(own, tmp_path, capsys, monkeypatch):
    shutil.copy("mine.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["table", "mine.py", "--root", "runs"]) == 0
    out, err = lines(capsys)
    assert "missing" in out
    assert err == "bam: runs: no such folder, so no run was found; --root DIR names another\n"
    Path("runs").mkdir()
    assert main(["table", "mine.py"]) == 0
    assert lines(capsys)[1] == ""


@pytest.mark.parametrize("verb", ["run", "plan", "status", "table"])
def test_a_search_space_is_no_study_and_the_verb_for_it_is_named(own, capsys, verb):
    assert main([verb, "bam"]) == 2
    assert lines(capsys) == ("", "bam: study 'bam': is a search space, for `bam search bam`\n")
    Path("sp.py").write_text("from studies.spaces.bam import SPACE\n")
    assert main([verb, "sp.py"]) == 2
    assert lines(capsys) == ("", "bam: sp.py: defines no STUDY; its SPACE is a search space, for `bam search sp.py`\n")


def test_a_study_is_no_search_space_and_the_verb_for_it_is_named(own, capsys):
    assert main(["search", "reduction"]) == 2
    assert lines(capsys) == ("", "bam: space 'reduction': is a study, for `bam run reduction`\n")
    assert main(["search", "mine.py"]) == 2
    assert lines(capsys) == ("", "bam: mine.py: defines no SPACE; its STUDY is a study, for `bam run mine.py`\n")


def test_online_without_a_login_is_offline_and_says_so(own, capsys, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(own.absolute()))
    assert main(["run", "mine.py", "--wandb", "online"]) == 0
    assert lines(capsys)[1].startswith("bam: --wandb online: nobody is logged in, so runs are recorded offline; log in")


_opened: Counter[str] | None = None
"""What is opened while it is counted; a hook cannot be taken out again."""


def _count(event, details):
    if _opened is not None and event == "open" and isinstance(details[0], str | bytes | os.PathLike):
        _opened[os.fsdecode(details[0])] += 1


def test_a_finished_study_reads_each_run_folder_once(tiny_copy, monkeypatch):
    sys.addaudithook(_count)
    monkeypatch.setattr(sys.modules[__name__], "_opened", Counter())
    assert main(["run", "tiny.py", "--wandb", "off"]) == 0
    for folder in tiny_copy.values():
        opened = {
            name: n for path, n in _opened.items() if (name := path.rpartition(f"{folder.path.name}/")[2]) != path
        }
        assert {name: opened.get(name) for name in ("run.json", "result.json", "metrics.jsonl")} == {
            "run.json": 1,
            "result.json": 1,
            "metrics.jsonl": 1,
        }


def test_of_a_shared_device_each_run_has_its_share(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    argv = ["mine.py", "--seeds", "1"]
    assert main(["run", *argv, "--devices", "cpu:1", "--runs-per-device", "2", "--wandb", "off"]) == 0
    folders = [RunFolder.of(Path("runs"), run) for _, run in find_study("mine.py").runs()[:3]]
    assert [folder.manifest().runs_per_device for folder in folders] == [2, 2, 2]
    capsys.readouterr()
    assert main(["table", *argv, "--format", "json"]) == 0
    took = sum(folder.result().seconds for folder in folders)
    assert json.loads(capsys.readouterr().out)["device_hours"] == pytest.approx(took / 2 / 3600)
