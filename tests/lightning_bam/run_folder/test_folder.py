"""The run folder's promises: whole or absent, known states, one clear line for what cannot be trusted."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lightning_bam.config import BAMSpec, Run
from lightning_bam.run_folder import provenance as provenance_module
from lightning_bam.run_folder.files import FolderError, FullDiskError, read_object, write_object
from lightning_bam.run_folder.folder import SCHEMA, Result, RunFolder, Within
from lightning_bam.run_folder.provenance import provenance, sources
from lightning_bam.run_folder.result import flat
from lightning_bam.training.checkpoint import AtomicCheckpointIO

RUN = Run(attention=BAMSpec(reduction=4), seed=3)
RESULT = Result(
    error_top1=12.5,
    error_top5=1.5,
    correct_top1=7,
    correct_top5=8,
    scored=8,
    loss=0.5,
    epochs=1,
    params=5,
    macs=7,
    seconds=1.5,
)


@pytest.fixture
def folder(tmp_path):
    made = RunFolder.of(tmp_path, RUN)
    made.describe(RUN)
    return made


def test_a_description_comes_back(folder):
    assert folder.path.name == RUN.key
    assert folder.run() == RUN
    folder.describe(RUN)
    assert json.loads((folder.path / "run.json").read_text())["schema"] == SCHEMA
    with pytest.raises(FolderError, match=f"describes run {RUN.key}, expected {Run().key}"):
        folder.describe(Run())
    assert repr(folder) == f"RunFolder({str(folder.path)!r})"


def test_states_in_order(folder, tmp_path):
    assert RunFolder(tmp_path / "nowhere").state() == "missing"
    assert folder.state() == "missing"
    lock = folder.acquire()
    folder.note(state="running")
    assert folder.state() == "running"
    assert folder.acquire() is None, "one group at a time"
    os.close(lock)
    assert folder.state() == "interrupted", "nobody holds the lock, and it never said that it ended"
    folder.note(state="complete")
    assert folder.state() == "interrupted", "killed before its result was there"
    folder.note(state="failed", error="out of luck")
    assert folder.state() == "failed"
    folder.note(state="pruned")
    assert folder.state() == "pruned"
    folder.finish(RESULT)
    assert folder.state() == "complete"
    assert folder.result() == RESULT
    assert folder.manifest().entries == {"state": "pruned", "error": "out of luck"}


def hold(path, ready, done):
    RunFolder(path).acquire()
    ready.set()
    done.wait(20)


def test_a_killed_holder_is_known_for_dead(folder):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=hold, args=(folder.path, ready, done))
    process.start()
    assert ready.wait(60)
    folder.note(state="running")
    assert folder.state() == "running"
    process.kill()
    process.join()
    assert folder.state() == "interrupted"
    lock = folder.acquire()
    assert lock is not None
    os.close(lock)
    process.close()


def test_metrics_are_appended_and_cut_back(folder):
    assert folder.metrics() == []
    for epoch in range(3):
        folder.append_epoch({"epoch": epoch, "loss": 0.1})
    assert [line["epoch"] for line in folder.metrics()] == [0, 1, 2]
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "lo')
    assert len(folder.metrics()) == 3, "a torn last line is what a killed run leaves"
    folder.keep_epochs(2)
    assert (folder.path / "metrics.jsonl").read_text().count("\n") == 2
    folder.keep_epochs(7)
    assert len(folder.metrics()) == 2


GATE = {"mean": 0.5, "saturated": 0.25}
SEEN = {
    "images_per_s": 812.5,
    "memory_gib": 0.0,
    "gates": {"layer1": GATE, "net.body-2.0_a": {"mean": 1, "saturated": 0}},
}


def test_what_a_line_has_beside_its_figures_comes_back(folder):
    folder.append_epoch({"epoch": 0, "train_loss": 2.5} | SEEN)
    folder.append_epoch({"epoch": 1, "train_loss": 2.25, "gates": {f"{number:0100d}": GATE for number in range(256)}})
    folder.keep_epochs(2)
    first, last = folder.metrics()
    assert first == {"epoch": 0, "train_loss": 2.5} | SEEN
    assert len(last["gates"]) == 256
    assert flat(first) == {
        "epoch": 0,
        "train_loss": 2.5,
        "images_per_s": 812.5,
        "memory_gib": 0.0,
        "gates/layer1/mean": 0.5,
        "gates/layer1/saturated": 0.25,
        "gates/net.body-2.0_a/mean": 1,
        "gates/net.body-2.0_a/saturated": 0,
    }


def test_what_is_no_number_of_a_line_is_no_figure():
    line = {"epoch": 3, "error_top1": None, "own": True, "new": [1], "word": "x", "large": 10**400, "a/b": 1, "miou": 7}
    assert flat(line) == {"epoch": 3, "miou": 7}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"images_per_s": 0.0}, "images_per_s is 0.0: input should be greater than 0"),
        ({"images_per_s": "fast"}, "images_per_s is 'fast': input should be a valid number"),
        ({"images_per_s": True}, "images_per_s is True: input should be a valid number"),
        ({"memory_gib": -0.5}, "memory_gib is -0.5: input should be greater than or equal to 0"),
        ({"memory_gib": 1e6}, "memory_gib is 1000000.0: input should be less than 1000000"),
        ({"gates": 0.5}, "gates is 0.5: input should be a valid dictionary"),
        ({"gates": [GATE]}, "gates is [{'mean': 0.5, 'saturated': 0.25}]: input should be a valid dictionary"),
        ({"gates": {"layer1": 0.5}}, "gates.layer1 is 0.5: input should be a valid dictionary"),
        ({"gates": {"layer1": {"mean": 0.5}}}, "has no gates.layer1.saturated"),
        (
            {"gates": {"layer1": {"mean": 1.5, "saturated": 0}}},
            "gates.layer1.mean is 1.5: input should be less than or equal to 1",
        ),
        (
            {"gates": {"layer1": {"mean": 0.5, "saturated": -0.25}}},
            "gates.layer1.saturated is -0.25: input should be greater than or equal to 0",
        ),
        ({"gates": {"a" * 101: GATE}}, "string should match pattern"),
        ({"gates": {"": GATE}}, "string should match pattern"),
        ({"gates": {"a/b": GATE}}, "string should match pattern"),
        ({"gates": {"layer1\n": GATE}}, "string should match pattern"),
        ({"gates": {"\x1b[2J": GATE}}, "string should match pattern"),
        ({"gates": {"a" * 100_000: GATE}}, "string should match pattern"),
        ({"gates": {str(number): GATE for number in range(257)}}, "should have at most 256 items"),
    ],
)
def test_a_line_that_says_what_no_training_does_is_refused_in_one_line(folder, entry, said):
    (folder.path / "metrics.jsonl").write_text(
        json.dumps({"epoch": 0}) + "\n" + json.dumps({"epoch": 1} | entry) + "\n"
    )
    with pytest.raises(FolderError) as error:
        folder.metrics()
    line = str(error.value)
    assert line.startswith(f"{folder.path}/metrics.jsonl: line 2: ")
    assert said in line
    assert line.endswith("; edited, or torn; remove this run folder to train it again")
    assert "\n" not in line
    assert "\x1b" not in line
    assert len(line.removeprefix(str(folder.path))) < 500


def test_a_number_that_is_none_is_no_json(folder):
    (folder.path / "metrics.jsonl").write_text('{"epoch": 0, "gates": {"a": {"mean": NaN, "saturated": 0}}}\n')
    with pytest.raises(FolderError, match="torn: line 1"):
        folder.metrics()


def test_a_full_disk_is_one_clear_line_and_loses_nothing(folder):
    """A real file system without room: 64 KiB of memory, filled to the brim."""
    folder.note(state="running")
    mount = folder.path / "small"
    mount.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("needs the right to mount a tmpfs")
    try:
        small = RunFolder(mount)
        small.describe(RUN)
        small.note(state="running")
        small.append_epoch({"epoch": 0})
        with pytest.raises(OSError, match="No space left"):
            (mount / "filler").write_bytes(b"x" * 100_000)
        with pytest.raises(FolderError, match=r"manifest.json: cannot be written \(No space left on device\)"):
            small.note(error="x" * 9000)
        with pytest.raises(FullDiskError, match=r"metrics.jsonl: cannot be written \(No space left on device\)"):
            small.append_epoch({"epoch": 1, "loss": "x" * 9000})  # of which a part has room
        assert (mount / "metrics.jsonl").read_text() == '{"epoch": 0}\n', "the part is taken back"
        with pytest.raises(FullDiskError, match=r"last.ckpt: cannot be written \(No space left on device\)"):
            AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(9000)}, small.checkpoint)
        assert not list(small.path.rglob(".*"))
        assert small.manifest().entries == {"state": "running"}
        assert small.run() == RUN
        assert not list(mount.glob(".*")), "no half-written file stays behind"
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "{}", '{"epoch": 0}', '{"epoch": 0, "batches": 3, "of": 2, "images_per_s": 1}']
    + [f'{{"epoch": 0, "batches": 1, "of": 2, "images_per_s": {wrong}}}' for wrong in ('"1"', "-1", "1e999", "null")],
)
def test_how_far_an_epoch_is_in_no_words_of_ours_is_not_known(folder, text):
    (folder.path / "within.json").write_text(text)
    assert folder.within() is None
    folder.note_within(Within(0, 1, 2, 3.5))
    assert folder.within() == Within(0, 1, 2, 3.5)


def test_how_far_an_epoch_is_is_written_through_no_link_and_stops_nothing(folder, tmp_path):
    (tmp_path / "theirs").write_text("kept")
    (folder.path / "within.json").symlink_to(tmp_path / "theirs")
    assert folder.within() is None
    folder.note_within(Within(0, 1, 2, 3.5))
    assert (tmp_path / "theirs").read_text() == "kept"
    folder.forget_within()
    folder.path.rename(tmp_path / "moved")
    folder.note_within(Within(0, 1, 2, 3.5))
    assert not folder.path.exists()


def test_a_folder_that_was_removed_is_not_made_again_by_what_its_training_still_writes(tmp_path):
    """Half a folder would be refused by whoever comes next; none is a run that begins anew."""
    folder = RunFolder.of(tmp_path, RUN)
    folder.describe(RUN)
    folder.path.rename(tmp_path / "moved")
    for write in (
        lambda: AtomicCheckpointIO().save_checkpoint({"epoch": 1}, folder.checkpoint),
        lambda: folder.append_epoch({"epoch": 1}),
        lambda: folder.note(state="complete"),
    ):
        with pytest.raises(FolderError, match=r"cannot be written \(No such file or directory\)"):
            write()
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]


def test_an_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match=r"file/.*: cannot make this run folder \(Not a directory\)"):
        RunFolder.of(tmp_path / "file", RUN).describe(RUN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d | {"schema": 2}, "written with schema 2, this version reads 1; use the version that wrote it or"),
        (lambda d: d | {"key": "0" * 16}, f"says key '{'0' * 16}' but describes run {RUN.key}: edited, or written by"),
        (lambda d: d | {"run": d["run"] | {"seed": -1}}, "written by another version: seed=-1: input should be"),
        (lambda d: d | {"run": d["run"] | {"future": 1}}, "written by another version: future: no such knob; "),
        (lambda d: d | {"run": d["run"] | {"attention": {"kind": "bum"}}}, "attention=bum: no such attention; did you"),
        (lambda d: d | {"run": d["run"] | {"attention": 3}}, "attention=3: must be an object with a 'kind'"),
        (lambda d: {"schema": 1}, "written by another version: 'run'"),
    ],
)
def test_a_description_that_cannot_be_trusted(folder, change, message):
    path = folder.path / "run.json"
    text = json.dumps(change(json.loads(path.read_text())))
    path.write_text(text)
    with pytest.raises(FolderError) as error:
        folder.run()
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert path.read_text() == text


def test_no_description(tmp_path):
    with pytest.raises(FolderError, match=r"run.json: no such file; not a run folder"):
        RunFolder(tmp_path).run()


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)))
def test_objects_come_back(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("objects") / "x.json"
    write_object(path, data)
    assert read_object(path) == data
    text = path.read_text()
    for cut in (0, len(text) // 2, len(text) - 2):
        path.write_text(text[:cut])
        with pytest.raises(FolderError, match="torn or not JSON"):
            read_object(path)
    assert read_object(path.with_name("absent")) is None


def test_a_folder_instead_of_a_file_cannot_be_read(tmp_path):
    with pytest.raises(FolderError, match="is a folder, not a plain file"):
        read_object(tmp_path)
    folder = RunFolder(tmp_path)
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(FolderError, match=r"metrics.jsonl: is a folder, not a plain file"):
        folder.metrics()


def test_provenance_names_versions_and_the_commit():
    found = provenance()
    assert found["version"] == "0.1.0"
    assert {"torch", "pytorch_lightning", "torchvision", "python", "host", "commit"} <= set(found)
    assert f"CPU capability usage: {found['cpu']}" in torch.__config__.show()
    assert re.fullmatch(r"[0-9a-f]{12}(\+[0-9a-f]{8})?|\+[0-9a-f]{8}", found["commit"])


def test_every_modification_of_the_code_has_a_name_of_its_own(tmp_path):
    package = tmp_path / "lightning_bam"
    room = package / "run_folder"
    room.mkdir(parents=True)
    for folder in (package, room):
        (folder / "__init__.py").touch()
    shutil.copy(provenance_module.__file__, room)

    def named():
        words = [sys.executable, "-B", "-c", "from lightning_bam.run_folder.provenance import commit; print(commit())"]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    alone = named()
    assert alone == f"+{sources(package)}"
    (package / "more.py").write_text("x = 1\n")
    assert named() == f"+{sources(package)}" != alone
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    head = named()
    assert re.fullmatch("[0-9a-f]{12}", head)
    found = set()
    for text in ("x = 2\n", "x = 3\n"):
        (package / "more.py").write_text(text)
        found.add(named())
    assert {name.partition("+")[0] for name in found} == {head}
    assert len(found) == 2, "two modifications of one commit are two codes"
    (package / "more.py").write_text("x = 1\n")
    assert named() == head


def test_equal_runs_have_equal_folders(tmp_path):
    assert RunFolder.of(tmp_path, RUN).path == RunFolder.of(tmp_path, replace(RUN)).path


def test_the_next_writer_removes_what_killed_ones_have_left_of_the_same_file(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom lightning_bam.run_folder.files import put_in_place\n"
        "with put_in_place(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n    os.kill(os.getpid(), 9)\n"
    )
    final = tmp_path / "manifest.json"
    subprocess.run([sys.executable, "-c", code, str(final)], check=False)
    (left,) = tmp_path.iterdir()
    others = [tmp_path / name for name in (".manifest.json.4711", ".result.json.4711", ".manifest.json.swp")]
    for path in others:
        path.write_text("{")
    two_hours_ago = time.time() - 7200
    for path in (left, *others[1:]):
        os.utime(path, (two_hours_ago, two_hours_ago))
    write_object(final, {})
    assert sorted(tmp_path.iterdir()) == sorted([final, *others])
