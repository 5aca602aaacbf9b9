"""`bam search` as a person meets it: its table, the study that it writes, and what it says of the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.cli import main

SPACE = """
from lightning_bam import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Space

base = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=2, batch_size=64, schedule="cosine", crop_padding=0, flip=False),
    attention=BAMSpec(reduction=4),
)
"""


def write_space(name, choices):
    """Write space.py here."""
    Path("space.py").write_text(f"{SPACE}SPACE = Space(name={name!r}, question='Which?', base=base, choices={choices})")


def test_search(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_space("mine", '{"attention.reduction": ("2", "4")}')
    argv = ["search", "space.py", "--sampler", "brute", "--trials", "2", "--devices", "cpu:2", "--wandb", "off"]
    assert main([*argv, "--status"]) == 2
    assert capsys.readouterr().err == "bam: search+mine: has not begun here; `bam search` alone begins it\n"
    assert not Path("runs").exists()
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Which?")
    before = Path("runs/studies.journal").read_bytes()
    assert main([*argv, "--status"]) == 0
    assert capsys.readouterr().out == f"search+mine: 2 trials: 2 complete\n{out}"
    assert main([*argv, "--status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["trials"] == {"complete": 2, "failed": 0}
    assert [trial["attention.reduction"] for trial in told["best"]] in (["2", "4"], ["4", "2"])
    assert main([*argv, "--status", "--set", "recipe.lr=0.5"]) == 2
    assert "has not begun here" in capsys.readouterr().err
    assert main(["search", "space.py", "--sampler", "nsga2", "--seeds", "2", "--plot"]) == 2
    assert capsys.readouterr().err == (
        "bam: search+mine+seeds=2+error-macs: has not begun here (search+mine has: give its --sampler and --seeds); "
        "`bam search` alone begins it\n"
    )
    assert main([*argv, "--status", "--confirm", "2"]) == 2
    assert capsys.readouterr().err.startswith("bam: --confirm: changes the search, and --status only looks")
    there = sorted(Path("runs").rglob("*"))
    assert main([*argv, "--plot", "svg", "-o", "pictures"]) == 0
    assert capsys.readouterr() == (
        "pictures/search-mine-history.svg\n",
        "bam search: search+mine: no importance: it takes 20 complete trials, and there are 2\n",
    )
    assert "held-out top-1 error" in Path("pictures/search-mine-history.svg").read_text()
    assert main([*argv, "--plot", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["path"] == "plots/search-mine-history.png"
    for words, told in (
        (["--plot", "--confirm", "2"], "--confirm: changes the search, and --plot only looks"),
        (["--plot", "--status"], "--status --plot: give one of them"),
        (["-o", "pictures"], "--output pictures: says where --plot writes; give --plot, too"),
    ):
        assert main([*argv, *words]) == 2
        assert told in capsys.readouterr().err
    assert Path("runs/studies.journal").read_bytes() == before, "it only looks"
    assert sorted(Path("runs").rglob("*")) == there
    assert "confirm a winner with a study before you report it" in err
    assert main([*argv, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["attention.reduction"] in {"2", "4"}
    assert main([*argv, "--confirm", "9"]) == 0
    err = capsys.readouterr().err
    assert "bam: --confirm 9: only 2 configurations are complete\n" in err
    assert "now: bam run runs/confirm-mine.py --root runs && bam table runs/confirm-mine.py" in err
    assert "found by    search+mine (2 trials: 2 by brute, pruner none)\n" in Path("runs/confirm-mine.py").read_text()
    assert main(["status", "runs/confirm-mine.py", "--json"]) == 0
    states = json.loads(capsys.readouterr().out)
    assert sorted({run["seed"] for run in states}) == [1, 2, 3, 4, 5]
    assert {run["state"] for run in states} == {"missing"}
    with pytest.raises(SystemExit):
        main([*argv, "--seeds", "300000000"])
    assert "argument --seeds: '300000000'" in capsys.readouterr().err
    assert main([*argv, "--sampler", "nsga2", "--pruner", "asha"]) == 2
    err = capsys.readouterr().err
    assert err == ("bam: --sampler nsga2 --pruner asha: two objectives cannot be pruned; use --pruner none, or tpe\n")


def test_a_search_says_what_gave_nothing_and_tries_it_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_space("wild", '{"recipe.lr": ("0.1", "1e30")}')
    argv = ["search", "space.py", "--sampler", "brute", "--devices", "cpu:2", "--wandb", "off"]
    told = "bam: 1 trial without a figure: its run failed; --retry failed trains it again\n"
    assert main(argv) == 1
    assert told in capsys.readouterr().err
    assert main(argv) == 0, "nothing has failed now"
    assert told in capsys.readouterr().err, "but it is not forgotten"
    assert main([*argv, "--retry", "failed"]) == 1
    err = capsys.readouterr().err
    assert "failed: lr=1e+30 seed 0" in err
    assert told in err
