"""Counts: exact, once for equal networks, and kept safely between calls."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lightning_bam.config import BAMSpec, ConfigError, Digits, EveryBlock, Recipe, Run, SmallResNet
from studies.records import counts as count_cache
from studies.records import counts as counting
from studies.records.counts import Counts, cache_dir, counts, key_of, network

NET = Run(dataset=Digits(), backbone=SmallResNet(width=4))
BAM = replace(NET, attention=BAMSpec(reduction=4))
# stem 36, then 2·9·16 | 9·(4·8 + 64) + 32 | 9·(8·16 + 256) + 128 and norms 8 | 16 | 48 | 96; head 170: by hand
PARAMS = 36 + 8 + (288 + 16) + (864 + 32 + 48) + (3456 + 128 + 96) + 170


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BAM_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def asked(monkeypatch):
    """How many networks were counted, call by call; what is counted here is the width."""
    calls = []

    def counted(runs):
        calls.extend([len(runs)] if runs else [])
        return [Counts(run.backbone.width, 11) for run in runs]

    monkeypatch.setattr(counting, "_count", counted)
    return calls


def files():
    return sorted(cache_dir().iterdir())


def test_counts_are_exact_and_in_the_order_asked():
    wrong = replace(NET, attention=BAMSpec(reduction=16))
    with pytest.raises(ConfigError, match="row 'wide': layer 'layer1': reduction=16: 4 channels are fewer than that"):
        counts({"none": NET, "wide": wrong})
    assert counts({"none": NET})["none"].params == PARAMS


def test_what_is_known_is_not_asked_for(asked):
    first = counts({"none": NET, "BAM": BAM})
    assert counts({"BAM": BAM, "none": NET}) == first
    assert asked == [2]
    assert [path.name for path in files()] == sorted(f"{key_of(network(run))}.json" for run in (NET, BAM))


def test_equal_networks_are_counted_once_and_only_what_decides_a_count_tells_them_apart(asked):
    same = {
        "a": NET,
        "seed": replace(NET, seed=3),
        "recipe": replace(NET, recipe=Recipe(epochs=3)),
        "placement of nothing": replace(NET, placement=EveryBlock()),
    }
    assert counts(same) == dict.fromkeys(same, Counts(4, 11))
    assert asked == [1]
    assert len({key_of(network(run)) for run in (NET, BAM, replace(BAM, placement=EveryBlock()))}) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(path.read_text()[:-9]),
        lambda path: path.write_text(""),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | {"params": "7"})),
        lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | {"params": True})),
    ],
    ids=["torn", "empty", "binary", "list", "text", "bool"],
)
def test_a_file_that_cannot_be_trusted_is_counted_anew(asked, damage):
    first = counts({"a": NET})
    before = files()[0].read_text()
    damage(files()[0])
    assert counts({"a": NET}) == first
    assert asked == [1, 1]
    assert files()[0].read_text() == before


def test_another_torch_or_source_is_another_count(asked, monkeypatch):
    counts({"a": NET})
    monkeypatch.setattr(count_cache, "version", lambda name: "9.9")
    counts({"a": NET})
    assert len(files()) == 2
    monkeypatch.setattr(count_cache, "source", lambda: "edited")
    counts({"a": NET})
    assert asked == [1, 1, 1]


def test_without_a_place_to_keep_them_counts_are_counted(asked, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BAM_CACHE", str(tmp_path / "file"))
    assert counts({"a": NET}) == counts({"a": NET})
    assert asked == [1, 1]


def test_where_the_cache_lies(monkeypatch):
    monkeypatch.setenv("BAM_CACHE", "/a")
    assert cache_dir() == Path("/a/counts")
    monkeypatch.setenv("BAM_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_dir() == Path("/b/lightning-bam/counts")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/c")
    assert cache_dir() == Path("/c/.cache/lightning-bam/counts")


def test_processes_may_share_the_folder():
    code = (
        "from lightning_bam.config import *; from studies.records.counts import *\n"
        "run = Run(dataset=Digits(), backbone=SmallResNet(width=4)); key = key_of(network(run))\n"
        "for turn in range(200):\n"
        "    keep_counts(key, Counts(7, 11)); assert read_counts(key) == Counts(7, 11), turn\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert json.loads((cache_dir() / f"{key_of(network(NET))}.json").read_text())["params"] == 7
    assert len(files()) == 1, "no temporary file is left"
