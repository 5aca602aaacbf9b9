"""The four files that `bam new` writes, each from an empty folder to its table."""

import json

import pytest

from analysis.cli import main

ONE = ["mine.py", "--seeds", "1"]
# BAM at r = 4 has, of 16 channels, an MLP of 68 + 80 and a norm of 32 beside convs of 68 + 2 * 148 + 5 and a norm of 2:
# 551; of 8 channels it has 18 + 24 + 16 beside 18 + 2 * 38 + 3 + 2: 157
PARTS = {  # rows, the figure, and by how many parameters the last row exceeds the first
    "module": (["none", "BAM", "mine"], "error_top1", 2 * 3),  # two places, a kernel of three, no bias
    "backbone": (["none", "BAM", "SE"], "error_top1", 2 * (16 * 4 + 4 + 4 * 16 + 16)),  # two places of 16 channels
    "dataset": (["none", "BAM"], "error_top1", 157 + 551),  # one place of 8 channels, one of 16
    "task": (["none", "BAM"], "miou", 2 * 551),
}


@pytest.mark.parametrize("part", PARTS)
def test_what_is_written_is_trained_tabulated_and_verified(tmp_path, monkeypatch, capsys, part):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine.py", f"--{part}"]) == 0
    assert main(["run", *ONE, "--devices", "cpu:2", "--wandb", "off"]) == 0
    capsys.readouterr()
    assert main(["table", *ONE]) == 0
    assert ("mean IoU (%)" if part == "task" else "error (%)") in capsys.readouterr().out
    assert main(["table", *ONE, "--format", "json", "--output", "table.json"]) == 0
    assert main(["verify", *ONE, "--table", "table.json"]) == 0
    table = json.loads((tmp_path / "table.json").read_text())
    names, metric, more = PARTS[part]
    first, *_, last = table["rows"]
    assert table["metric"] == metric
    assert [row["label"] for row in table["rows"]] == names
    assert [row["n"] for row in table["rows"]] == [1] * len(names)
    assert last["params"] - first["params"] == more
    if part == "task":  # a branch that sees the whole digit, in a network that sees 5 x 5 pixels of it
        assert last["mean"] - first["mean"] > 10
    else:
        assert first["mean"] < {"module": 10, "backbone": 20, "dataset": 40}[part], "chance is 90, 90 and 75"
