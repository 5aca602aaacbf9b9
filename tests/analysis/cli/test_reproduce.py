"""`bam reproduce`: runs that were trained for real are trained again, and compared to the last bit."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from analysis.cli import main
from analysis.cli.verbs.reproduce import lines_of
from analysis.provenance.reproduction import compare
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import Manifest
from studies.errors import StudyError
from studies.job.devices import Slot
from studies.workers.retrain import slot_like
from tests.analysis.synthetic import finish, interrupt
from tests.studies.conftest import BASE


def reproduced(capsys, *argv, code):
    capsys.readouterr()
    assert main(["reproduce", *argv]) == code
    out, err = capsys.readouterr()
    assert err == ""
    return out


def nudge(folder, epoch, figure):
    """Move a figure of the record to the next number that there is, and return both."""
    lines = folder.metrics()
    was = lines[epoch][figure]
    lines[epoch][figure] = math.nextafter(was, math.inf)
    (folder.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return lines[epoch][figure], was


def test_a_run_is_equal_to_the_last_bit_and_leaves_nothing(tiny_copy, tmp_path, monkeypatch, capsys):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")}
    folder = tiny_copy["BAM", 1]
    lines = reproduced(capsys, folder.path.name[:9], code=0).splitlines()
    error = f"{folder.result().error_top1:.2f}"
    assert lines == [
        f"run         {folder.path.name}, 2 epochs: train_loss, error_top1, error_top5, correct_top1, correct_top5, "
        "scored, loss, lr",
        f"reproduced  every figure of every epoch is equal, bit for bit; top-1 error {error} %",
    ]
    assert {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")} == before
    assert list((tmp_path / "temporary").iterdir()) == []


def test_one_bit_apart_is_found_and_where(tiny_copy, capsys):
    folder = tiny_copy["none", 0]
    was, now = nudge(folder, 1, "loss")
    folder.note(commit="0" * 12)
    out = reproduced(capsys, str(folder.path), "--keep", "kept", "--json", code=1)
    found = json.loads(out)
    assert not found["equal"]
    assert found["comparable"]
    assert found["parting"] == {"epoch": 1, "figure": "loss", "was": was, "now": now}
    assert found["was"] == found["now"] == folder.result().error_top1
    assert found["changed"] == ["metrics.jsonl", "manifest.json"]
    assert found["kept"] == f"kept/{folder.path.name}"
    kept = RunFolder(Path(found["kept"]))
    assert kept.result().error_top1 == folder.result().error_top1
    assert not list(kept.path.glob("wandb*"))
    assert main(["reproduce", str(folder.path), "--keep", "kept"]) == 2
    assert capsys.readouterr().err == f"bam: {kept.path}: is there already; give another folder, or remove it\n"


def test_a_run_of_two_ranks_is_trained_by_two(tiny_copy, capsys):
    argv = ["tiny.py", "--seeds", "1", "--root", "ddp", "--wandb", "off"]
    assert main(["run", *argv, "--devices", "cpu:2", "--devices-per-run", "2"]) == 0
    found = json.loads(reproduced(capsys, tiny_copy["none", 0].path.name, "--root", "ddp", "--json", code=0))
    assert found["equal"]
    assert found["differing"] == {}
    assert main(["reproduce", tiny_copy["none", 0].path.name, "--root", "ddp", "--devices", "cpu:1"]) == 2
    assert capsys.readouterr().err == (
        "bam: --devices cpu:1: the run was trained by 2 ranks on cpu; give as many devices, as --devices cpu:2\n"
    )


def test_a_repetition_that_fails_is_told_in_a_line(tmp_path, capsys):
    wild = replace(BASE, recipe=replace(BASE.recipe, lr=1e30))
    finish(tmp_path, wild, 50.0, threads=2)
    assert main(["reproduce", wild.key, "--root", str(tmp_path), "--keep", str(tmp_path / "kept")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"bam reproduce: {wild.key}: the repetition is failed: training loss is ")
    assert err.count("\n") == 1
    assert RunFolder.of(tmp_path / "kept", wild).manifest().threads == 2, "as many as the record was made with"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_repetition_leaves_no_process(tmp_path, number, code):
    long = replace(BASE, recipe=replace(BASE.recipe, epochs=4000))
    finish(tmp_path, long, 50.0)
    argv = [sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())"]
    argv += ["reproduce", long.key, "--root", str(tmp_path), "--keep", str(tmp_path / "kept")]
    repetition = RunFolder.of(tmp_path / "kept", long)
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while len(repetition.metrics()) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        family = psutil.Process(process.pid).children(recursive=True)
        assert repetition.state() == "running"
        process.send_signal(number)
        assert process.wait(60) == code
        said = process.stderr.read()
    assert psutil.wait_procs(family, timeout=20)[1] == []
    assert repetition.state() == "interrupted"
    assert said == ("" if number == signal.SIGKILL else "bam: interrupted\n")


def test_what_is_not_complete_cannot_be_compared(tmp_path, capsys):
    interrupt(tmp_path, BASE, "failed")
    assert main(["reproduce", BASE.key[:6], "--root", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"bam: {tmp_path / BASE.key}: is failed, not complete; there is nothing to compare with yet\n"
    )
    with pytest.raises(FolderError, match="the run is not complete"):
        compare(RunFolder.of(tmp_path, BASE), RunFolder.of(tmp_path, BASE))


HERE = {"cpu": "AVX512", "device": "cpu", "torch": "2.14.1", "threads": 1, "host": "a", "commit": "3f2a91c"}


def pair(tmp_path, error=12.5, **there):
    """Return a record of 12.5 % made `HERE`, and a repetition made `there`."""
    record = finish(tmp_path / "then", BASE, 12.5, **HERE)
    return record, finish(tmp_path / "now", BASE, error, **HERE | there)


def test_where_equality_cannot_be_expected_it_says_why(tmp_path):
    found = compare(*pair(tmp_path, error=12.75, cpu="AVX2", threads=2, host="b"))
    assert found.deciding
    assert lines_of(found) == [
        f"run         {BASE.key}, 2 epochs: train_loss, error_top1",
        "parted      equal up to epoch 0; at epoch 1 error_top1 is 12.75, was 12.5 (+0.25, 2.0e-02 of it)",
        "reported    top-1 error 12.75 %, was 12.50 % (+0.25 points)",
        "differs     cpu is AVX2, was AVX512 (equality cannot be expected: other vector instructions add in another "
        "order)",
        "differs     threads is 2, was 1 (equality cannot be expected: other threads add in another order)",
        "differs     host is b, was a",
    ]


def test_where_nothing_differs_it_says_what_is_left(tmp_path):
    found = compare(*pair(tmp_path, error=12.25, commit="91bc002"))
    assert not found.deciding
    assert lines_of(found)[2:] == [
        "reported    top-1 error 12.25 %, was 12.50 % (−0.25 points)",
        "differs     commit is 91bc002, was 3f2a91c",
        "likely      nothing that decides over the last digits is known to differ: another version or commit, an "
        "operation of the GPU that is not deterministic, or a fault",
    ]


def test_a_run_that_went_on_elsewhere_had_both(tmp_path):
    record, repetition = pair(tmp_path)
    record.note(attempts=[HERE | {"cpu": "AVX2", "world_size": 1}, HERE | {"world_size": 1}])
    found = compare(record, repetition)
    assert found.equal
    assert found.deciding == ("cpu",)
    assert found.differing == {"cpu": {"was": "AVX2, then AVX512", "now": "AVX512"}}


def test_what_an_older_record_does_not_tell_decides_nothing(tmp_path):
    record, repetition = pair(tmp_path, error=12.75)
    record.note(cpu=None)
    found = compare(record, repetition)
    assert not found.deciding
    assert lines_of(found)[3] == "differs     cpu is AVX512, was not recorded"


def test_other_lengths_are_no_repetition(tmp_path):
    record, repetition = pair(tmp_path)
    record.append_epoch({"epoch": 2})
    with pytest.raises(FolderError, match=r"metrics.jsonl: holds 3 epochs, the repetition 2"):
        compare(record, repetition)


def test_the_slot_is_like_the_records(monkeypatch, tmp_path):
    monkeypatch.setattr("studies.job.devices.DEVICE_FILES", tmp_path)
    for number in range(3):
        (tmp_path / f"nvidia{number}").touch()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert slot_like(Manifest(), None) == Slot(1)
    assert slot_like(Manifest(world_size=3, device="cpu"), None) == Slot(3)
    assert slot_like(Manifest(world_size=2, device="A100"), None) == Slot(2, (0, 1))
    assert slot_like(Manifest(world_size=2, device="A100"), "2,0,1") == Slot(2, (2, 0))
    assert slot_like(Manifest(world_size=1, device="A100"), "cpu:2") == Slot(1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(StudyError) as error:
        slot_like(Manifest(world_size=1, device="A100"), None)
    assert str(error.value) == (
        "this machine has 0 GPUs: the run was trained by 1 rank on A100; give as many devices, as --devices cpu:1"
    )
