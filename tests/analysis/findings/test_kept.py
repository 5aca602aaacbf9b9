"""What the project has found follows from the runs that are kept."""

from __future__ import annotations

import csv
import json

import pytest

from analysis.cli import main
from analysis.findings.kept import findings
from analysis.findings.summary import answer, short

NAMES = list(findings())


@pytest.mark.parametrize("name", NAMES)
class TestFinding:
    def test_its_runs_are_untouched_and_give_its_table(self, name, capsys):
        assert main(["verify", name, "--findings"]) == 0
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith(f"{name}: verified: ")
        assert line.endswith(" of 1 study, compared with 1 table, 0 problems")

    def test_its_lines_are_those_of_its_runs(self, name, capsys):
        assert main(["table", name, "--findings", "--runs"]) == 0
        assert capsys.readouterr().out == (findings()[name].folder / "runs.csv").read_text()

    def test_it_is_shown_without_training(self, name, capsys, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert main(["table", name, "--findings", "--format", "csv"]) == 0
        lines, kept = capsys.readouterr().out.splitlines(), findings()[name].table()
        assert [line.split(",")[1].strip('"') for line in lines[1:]] == [
            row["label"].partition(",")[0] for row in kept["rows"]
        ]
        assert list(tmp_path.iterdir()) == []


def test_a_kept_run_is_trained_again_to_its_figures(capsys):
    """So a change of what is trained cannot leave the findings behind. Another processor adds in another order."""
    finding = findings()["combine"]
    lines = csv.DictReader(finding.path.with_name("runs.csv").read_text().splitlines())
    (key,) = (line["key"] for line in lines if (line["row"], line["seed"]) == ("none", "100"))
    with finding.unpacked() as kept:
        main(["reproduce", key, "--root", kept.root, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["equal"] or not told["comparable"]
    assert abs(told["now"] - told["was"]) < 1.5, "more than other seeds would differ by"


def test_all_are_shown_and_listed(capsys):
    assert main(["table", "--findings", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown if isinstance(shown, list) else [shown]) == len(NAMES)
    assert main(["studies"]) == 0
    listed = capsys.readouterr().out
    for finding in findings().values():
        assert short(finding.table()).split(": ", 1)[0] in listed
    assert listed.count("found: ") == len(NAMES)


def row(label, verdict, mean=None, low=None, high=None, n=8):
    """Return a row as JSON has it."""
    delta = None if mean is None else {"mean": mean, "low": low, "high": high, "n": n}
    return {"label": label, "verdict": verdict, "delta": delta, "mean": 5.2134, "sd": 0.086}


def test_an_answer_by_hand():
    table = {
        "rows": [
            row("none", "baseline"),
            row("r=1", "better", -0.25, -0.4, -0.104),
            row("r=2", "equivalent within ±0.5", 0.1, -0.126, 0.3, n=12),
            row("r=4", "better", -1, None, None),
            row("r=8", "not run"),
            row("r=16", "no clear difference by 12 seeds, the last look", 0.2, -0.9, 1.3, n=12),
        ]
    }
    assert answer(table) == (
        "none 5.21 ± 0.09 % (n = 8 to 12); better: r=1 −0.25 [−0.40, −0.10], r=4 −1.00; "
        "equivalent within ±0.5: r=2 +0.10 [−0.13, +0.30]; not run: r=8 no pair; "
        "no clear difference: r=16 +0.20 [−0.90, +1.30]"
    )
    assert short(table) == "n = 8 to 12: 2 better, 1 equivalent within ±0.5, 1 not run, 1 no clear difference"


def test_an_empty_table_names_what_was_found(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["table", "combine"]) == 0
    said = "none of its runs has begun; `bam table combine --findings` has what this project has found"
    assert f"bam table: combine: {said}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["table", "fashion"], "bam: fashion: nothing is kept of it; did you mean 'fashion-resnet18'?"),
        (["table", "paper-3b"], "bam: paper-3b: nothing is kept of it; "),
        (["table", "--preset", "small"], "bam: --preset small: --findings reads runs that are kept as they were made"),
        (["table", "--set", "recipe.lr=1"], "bam: --set: --findings reads runs that are kept as they were made"),
        (["table", "--root", "mine"], "bam: --root mine: --findings reads the package's own runs; leave one of them"),
        (["verify", "--json"], "bam: --json: --findings verifies what is kept, with its table, as a whole"),
    ],
)
def test_what_asks_for_other_runs_is_refused(words, line, capsys):
    assert main([*words, "--findings"]) == 2
    assert capsys.readouterr().err.startswith(line)
