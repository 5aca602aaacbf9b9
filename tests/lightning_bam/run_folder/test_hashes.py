"""Hashes of a finished run: what they are, that no kill leaves wrong ones, and that they travel."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from lightning_bam.config import Digits, Recipe, Run, SmallResNet
from lightning_bam.run_folder import files
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.hashes import CHECKPOINT, altered, recorded, same_images, seal
from lightning_bam.training.train import train
from studies.coordination.sync import pack, unpack

RUN = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=3),
    recipe=Recipe(epochs=2, batch_size=97, lr=1e-05, schedule="cosine", crop_padding=0, flip=False),
    seed=5,
)


@pytest.fixture(scope="module")
def instants(tmp_path_factory):
    """Return the finished folder, and a copy of it before and after each JSON file that was put in place."""
    root = tmp_path_factory.mktemp("runs")
    folder = RunFolder.of(root / "whole", RUN)
    folder.describe(RUN)
    copies = []
    put = files.replace

    def snapshot():
        copies.append(RunFolder(shutil.copytree(folder.path, root / str(len(copies)) / RUN.key)))

    def watched(path, text):
        snapshot()
        put(path, text)
        snapshot()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "replace", watched)
        train(folder)
    return folder, copies


@pytest.fixture
def folder(instants, tmp_path):
    """A copy of the finished folder, to be damaged."""
    return RunFolder(shutil.copytree(instants[0].path, tmp_path / RUN.key))


def test_the_hashes_are_those_of_the_bytes_on_disk(folder):
    noted = recorded(folder)
    assert list(noted) == ["run.json", "metrics.jsonl", "checkpoints/last.ckpt", "result.json", "manifest.json"]
    for name in list(noted)[:4]:
        assert noted[name] == hashlib.sha256((folder.path / name).read_bytes()).hexdigest(), name
    kept = set(folder.manifest().entries) - {"state", "error", "cause", "rank", "traceback"}
    assert kept - {"sha256", "attempt", "nonce"} == {
        *("schema", "key", "attempts", "first_batch", "first_loss", "data", "device", "threads", "world_size"),
        "runs_per_device",
        *("version", "commit"),
        *(
            "torch",
            "torchvision",
            "pytorch_lightning",
            "python",
            "host",
            "cpu",
            "started",
            "ended",
            "fit_seconds",
            "cost",
        ),
    }, "whatever says where and with what the run was trained is sealed"


def test_a_kill_at_any_instant_leaves_a_lost_run_or_a_complete_one_with_right_hashes(instants):
    """Every state that a reader could find between two writes is taken up as a restarted machine would find it."""
    whole, copies = instants
    states = [copy.state() for copy in copies]
    assert states[-1] == "complete"
    assert "interrupted" in states[-4:], "its hashes are noted, its result is not yet there"
    for copy, state in zip(copies, states, strict=True):
        if state == "complete":
            assert altered(copy, recorded(copy)) == {}
    for copy in (copies[0], *copies[-6:]):
        shutil.rmtree(whole.path)
        shutil.copytree(copy.path, whole.path)
        if whole.state() != "complete":
            train(whole)
        assert whole.state() == "complete"
        assert set(recorded(whole)) == set(recorded(copies[-1]))
        assert altered(whole, recorded(whole)) == {}


def test_hashes_of_an_earlier_attempt_are_dropped_when_the_run_goes_on(folder):
    (folder.path / "result.json").unlink()
    seen = []

    class Watch(RunFolder):
        def append_epoch(self, line):
            seen.append(self.manifest().sha256)
            super().append_epoch(line)

    shutil.rmtree(folder.path / "checkpoints")
    train(Watch(folder.path))
    assert seen == [None, None]
    assert altered(folder, recorded(folder)) == {}


def test_every_study_that_has_begun_a_run_is_kept_and_sealed(folder):
    for studies in ({"one": {"row": "BAM", "rule": "0" * 64}}, {"two": {"row": "SE"}}, None):
        (folder.path / "result.json").unlink()
        shutil.rmtree(folder.path / "checkpoints")
        train(folder, studies=studies)
    assert folder.manifest().studies == {"one": {"row": "BAM", "rule": "0" * 64}, "two": {"row": "SE"}}
    assert altered(folder, recorded(folder)) == {}
    folder.note(studies={"two": {"row": "SE"}})
    assert set(altered(folder, recorded(folder))) == {"manifest.json"}


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", CHECKPOINT, "result.json"])
def test_one_flipped_bit_is_seen_wherever_it_is(folder, name):
    path = folder.path / name
    whole = path.read_bytes()
    for place in (0, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        now = hashlib.sha256(path.read_bytes()).hexdigest()
        assert altered(folder, recorded(folder)) == {name: now}
    path.write_bytes(whole[:-1])
    assert set(altered(folder, recorded(folder))) == {name}
    path.unlink()
    assert altered(folder, recorded(folder)) == {name: None}


def test_the_manifest_is_sealed_but_for_what_may_be_noted_later(folder):
    folder.note(state="failed", error="W&B would not say goodbye", cause="error", wandb="abc")
    assert altered(folder, recorded(folder)) == {}
    folder.note(commit="0" * 12)
    assert set(altered(folder, recorded(folder))) == {"manifest.json"}


def test_no_entry_that_tells_of_the_training_can_be_changed_unseen(folder):
    manifest = folder.manifest().entries
    later = {"state", "error", "cause", "rank", "traceback", "sha256", "attempt", "nonce"}
    unseen = {name for name in manifest if seal(manifest | {name: "other"}) == seal(manifest)}
    assert unseen == later & set(manifest)


WHOLE = dict.fromkeys(("run.json", "metrics.jsonl", CHECKPOINT, "result.json", "manifest.json"), "0" * 64)


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        (None, r"has no hashes \(sha256\)"),
        ({}, r"has no hashes \(sha256\)"),
        ("yes", "its sha256 is 'yes', not a hash of each of run.json, "),
        (["run.json"], "not a hash of each of run.json, "),
        (WHOLE | {"run.json": None}, "not a hash of each of run.json, "),
        (WHOLE | {"../../.bashrc": "0"}, "not a hash of each of run.json, "),
        *(({n: h for n, h in WHOLE.items() if n != name}, "not a hash of each of run.json, ") for name in WHOLE),
    ],
)
def test_a_complete_run_has_exactly_its_hashes(folder, noted, said):
    folder.note(sha256=WHOLE)
    assert recorded(folder) == WHOLE
    folder.note(sha256=noted)
    with pytest.raises(FolderError, match=f"manifest.json: .*{said}"):
        recorded(folder)


def test_a_record_that_was_packed_and_unpacked_is_the_same_bytes(folder, tmp_path):
    there = RunFolder(tmp_path / "elsewhere" / RUN.key)
    unpack(there, json.loads(json.dumps(pack(folder))))
    for name in ("run.json", "manifest.json", "metrics.jsonl", "result.json"):
        assert (there.path / name).read_bytes() == (folder.path / name).read_bytes(), name
    assert altered(there, recorded(there)) == {CHECKPOINT: None}, "which stays where it was trained"


@pytest.mark.parametrize(
    ("was", "now", "same"),
    [
        ("0a", "0a", True),
        ("0a", "0b", False),
        ("0a", "names+sizes:0a", True),
        ("0b", "names+sizes:0a", False),
        ("names+sizes:0a", "0a", False),
        ("0a", "annotations:0a names+sizes:0b", True),
        ("names+sizes:0a", "annotations:0a names+sizes:0b", False),
        ("names+sizes", "names+sizes:0a", False),
        ("", "names+sizes:0a", False),
    ],
)
def test_digests_of_older_versions_are_compared_by_their_digits(was, now, same):
    assert same_images(was, now) is same
