"""A table from remembered records is the table from the folders, whatever was done to them in between."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.formats import render
from analysis.table import tabulate
from lightning_bam.files import FolderError
from lightning_bam.folder import RunFolder
from studies import records, sight
from studies.records import gather, read
from tests.analysis.synthetic import ERRORS, STUDY, finish, interrupt, write

TICK = 20_000_000
"""Nanoseconds: longer than any tick of a file system's clock here (10 ms at most)."""


@pytest.fixture(scope="module", autouse=True)
def _remembers_small_studies_too():
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as home:
        patch.setattr(records, "MANY", 0)
        patch.setattr(sight, "QUIET", TICK)
        patch.setenv("BAM_CACHE", home)
        yield


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "records"


@pytest.fixture
def root(tmp_path):
    fill(tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def opened(monkeypatch):
    """Return the rows and seeds of the folders that were read, one by one."""
    found = []
    original = records._record

    def noted(cell, folder):
        found.append((cell.row, cell.run.seed))
        return original(cell, folder)

    monkeypatch.setattr(records, "_record", noted)
    return found


def fill(root):
    write(root, STUDY, ERRORS)
    interrupt(root, run("BAM max", 2), "failed")
    interrupt(root, run("SE_r8 <light>", 1), "running")


def run(row, seed):
    return replace(STUDY.rows[row], seed=seed)


def folder_of(root, row="BAM", seed=1):
    return RunFolder.of(root, run(row, seed)).path


def told(get, root):
    """Return the table as JSON, or the line that refuses it."""
    try:
        return render(tabulate(get(root), STUDY), "json")
    except FolderError as error:
        return f"refused: {error}"


def remembered(root):
    return gather(STUDY, root)


def afresh(root):
    return read(STUDY.runs(), root)


def settle():
    time.sleep(2 * TICK / 1e9)


def agree(root):
    """Return what the table says, the same from the folders, and twice through the cache."""
    wanted = told(afresh, root)
    settle()
    assert told(remembered, root) == wanted, "what has changed is read, the rest remembered"
    assert told(remembered, root) == wanted, "all is remembered"
    return wanted


def in_place(path, old, new):
    """Change a file and leave its inode, its size and its mtime."""
    before, text = path.stat(), path.read_text()
    assert len(old) == len(new)
    assert text.count(old) >= 1, text
    with path.open("r+") as file:
        file.write(text.replace(old, new, 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)


def finishes(root):
    RunFolder(folder_of(root, "SE_r8 <light>", 1)).keep_epochs(0)
    finish(root, run("SE_r8 <light>", 1), 20.25, loss=3.0)


def is_retrained(root):
    shutil.rmtree(folder_of(root))
    finish(root, run("BAM", 1), 30.0)


def has_another_commit(root):
    RunFolder(folder_of(root)).note(commit="0ff1ce0")


def has_another_commit_in_place(root):
    in_place(folder_of(root) / "manifest.json", "3f2a91c", "0ff1ce0")


def starts_elsewhere_in_place(root):
    in_place(folder_of(root, "BAM r=1", 0) / "metrics.jsonl", '"train_loss": 2.0', '"train_loss": 2.5')


def ends_elsewhere_in_place(root):
    in_place(folder_of(root) / "metrics.jsonl", '"error_top1": 19.1', '"error_top1": 11.1')


def reports_another_figure_in_place(root):
    in_place(folder_of(root) / "result.json", '"error_top5": 4.775', '"error_top5": 9.775')


def describes_another_run_in_place(root):
    in_place(folder_of(root) / "run.json", '"seed": 1', '"seed": 2')


def has_the_manifest_of_another(root):
    RunFolder(folder_of(root)).note(key=run("BAM", 2).key)


def started_elsewhere_with_other_ranks(root):
    made = {"commit": "3f2a91c", "torch": "2.11.0"}
    attempts = [made | {"world_size": n, "from_epoch": first} for n, first in ((2, 0), (1, 1))]
    RunFolder(folder_of(root)).note(attempts=attempts)


def is_removed(root):
    shutil.rmtree(folder_of(root))


def loses_its_result(root):
    (folder_of(root) / "result.json").unlink()


def is_replaced_by_a_twin_of_its_times(root):
    """The other folder has the names, sizes and mtimes of the one that was there, itself included."""
    path = folder_of(root)
    other = path.with_name("other")
    shutil.copytree(path, other)  # keeps mtimes
    at = (other / "manifest.json").stat().st_mtime_ns
    text = (other / "manifest.json").read_text()
    (other / "manifest.json").write_text(text.replace("3f2a91c", "0ff1ce0"))
    os.utime(other / "manifest.json", ns=(at, at))
    times = path.stat().st_mtime_ns
    shutil.rmtree(path)
    other.rename(path)
    os.utime(path, ns=(times, times))


def fails_again_with_a_torn_manifest(root):
    (folder_of(root) / "manifest.json").write_text('{"state": ')


EDITS = {
    finishes: '"n": 2,',
    is_retrained: '"1": 30.0',
    has_another_commit: "commit 0ff1ce0 (not 3f2a91c): 1 of 4 runs of 'BAM' (seed 1).",
    has_another_commit_in_place: "commit 0ff1ce0 (not 3f2a91c): 1 of 4 runs of 'BAM' (seed 1).",
    reports_another_figure_in_place: '"top5": 6.27',  # 5, 9.775, 5.225, 5.1
    ends_elsewhere_in_place: "result.json says error 19.1 after 2 epochs, metrics.jsonl 11.1 after 2",
    describes_another_run_in_place: "but describes run",
    has_the_manifest_of_another: f"is of run {run('BAM', 2).key}, not of {run('BAM', 1).key}",
    started_elsewhere_with_other_ranks: "ranks a run 2, then 1 (not 1): 1 of 4 runs of 'BAM' (seed 1).",
    is_removed: "1 failed, 1 lost, 3 missing",
    loses_its_result: "1 failed, 2 lost, 2 missing",
    is_replaced_by_a_twin_of_its_times: "commit 0ff1ce0 (not 3f2a91c): 1 of 4 runs of 'BAM' (seed 1).",
    fails_again_with_a_torn_manifest: "manifest.json: torn or not JSON",
}


@pytest.mark.parametrize(("edit", "said"), EDITS.items(), ids=[edit.__name__ for edit in EDITS])
def test_a_run_that(edit, said, root, cache, opened):
    before = agree(root)
    assert said not in before
    opened.clear()
    edit(root)
    assert said in told(remembered, root)
    changed = ("SE_r8 <light>", 1) if edit is finishes else ("BAM", 1)
    missing = [(row, run.seed) for row, run in STUDY.runs() if not folder_of(root, row, run.seed).exists()]
    read_again = [one for one in opened if one not in missing]
    assert read_again == ([] if edit is is_removed else [changed]), "the others are remembered"
    agree(root)


def test_a_run_that_starts_elsewhere_is_no_twin_any_more(root, cache):
    assert "Row 'BAM r=1' computed exactly what row 'none' did" in agree(root)
    starts_elsewhere_in_place(root)
    assert "computed exactly" not in agree(root)


def test_a_first_step_that_differs_tells_twins_apart(root, cache):
    folder = RunFolder(folder_of(root, "BAM r=1", 0))
    RunFolder(folder_of(root, "none", 0)).note(first_loss=2.5)
    folder.note(first_loss=2.5)
    assert "Row 'BAM r=1' computed exactly what row 'none' did" in agree(root)
    in_place(folder.path / "manifest.json", '"first_loss": 2.5', '"first_loss": 2.4')
    assert "computed exactly" not in agree(root)


def copies(root):
    """A finished run becomes that of another seed."""
    shutil.rmtree(folder_of(root, "BAM", 2))
    shutil.copytree(folder_of(root, "BAM", 1), folder_of(root, "BAM", 2))
    (folder_of(root, "BAM", 2) / "run.json").unlink()
    RunFolder(folder_of(root, "BAM", 2)).describe(run("BAM", 2))


def test_a_copy_is_refused_from_what_is_remembered(root, cache):
    agree(root)
    copies(root)
    assert "metrics.jsonl is identical to that of" in agree(root)


def noting(opened, method):
    """Return the method of a folder that also notes what was opened."""

    def noted(folder):
        opened.append((folder.path, method.__name__))
        return method(folder)

    return noted


def test_a_remembered_table_opens_no_folder_but_those_of_twins_and_of_failed_runs(root, cache, monkeypatch):
    agree(root)
    opened = []
    for name in ("manifest", "metrics"):
        monkeypatch.setattr(RunFolder, name, noting(opened, getattr(RunFolder, name)))
    tabulate(gather(STUDY, root), STUDY)
    twins = [folder_of(root, row, seed) for row in ("none", "BAM r=1") for seed in range(4)]
    failed = (folder_of(root, "BAM max", 2), "manifest")  # for the cause
    assert sorted(opened) == sorted([failed, *((path, "metrics") for path in twins)])


STEPS = [*EDITS, starts_elsewhere_in_place, copies, fill, shutil.rmtree]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=5))
def test_any_sequence_of_changes(steps):
    with tempfile.TemporaryDirectory() as home:
        root = Path(home) / "runs"
        fill(root)
        agree(root)
        for step in steps:
            try:
                step(root)
            except (AssertionError, OSError, FolderError):
                continue  # that run is not there any more, or is broken already
            agree(root)


def test_what_changed_just_now_is_read_and_not_remembered(root, cache, opened, monkeypatch):
    monkeypatch.setattr(sight, "QUIET", 3600 * 10**9)
    told(remembered, root)
    opened.clear()
    told(remembered, root)
    assert len(opened) == 24
    assert not cache.exists()


def test_a_run_that_is_trained_is_running_though_its_files_are_remembered(root, cache):
    agree(root)
    fd = RunFolder(folder_of(root, "SE_r8 <light>", 1)).acquire()
    try:
        assert '"running": 1' in agree(root)
    finally:
        os.close(fd)
    assert '"lost": 1' in agree(root)


def test_remembered_records_read_the_rest_when_it_is_asked_for(root, cache):
    settle()
    gather(STUDY, root)
    for warm, cold in zip(gather(STUDY, root), afresh(root), strict=True):
        assert (warm.row, warm.run, warm.state, warm.epochs) == (cold.row, cold.run, cold.state, cold.epochs)
        assert (warm.result, warm.folder.path) == (cold.result, cold.folder.path)
        assert (warm.first_step_loss, warm.first_epoch_loss) == (cold.first_step_loss, cold.first_epoch_loss)
        assert (warm.key_noted, warm.circumstances) == (cold.key_noted, cold.circumstances)
        assert (warm.manifest, warm.metrics) == (cold.manifest, cold.metrics)


def only_file(cache):
    (path,) = cache.iterdir()
    return path


def torn(path):
    path.write_bytes(path.read_bytes()[:-100])


def of_another_version(path):
    header, _, body = path.read_bytes().partition(b"\n")
    version, checksum = json.loads(header)
    path.write_bytes(json.dumps([[version[0] + 1, *version[1:]], checksum]).encode() + b"\n" + body)


def edited(path):
    path.write_bytes(path.read_bytes().replace(b"19.1", b"11.1"))


def foreign(path):
    path.write_bytes(b"\x00\xff\n{}")


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [torn, of_another_version, edited, foreign, empty], ids=lambda harm: harm.__name__)
def test_a_cache_that_is(harm, root, cache, opened):
    wanted = agree(root)
    whole = only_file(cache).read_bytes()
    harm(only_file(cache))
    assert only_file(cache).read_bytes() != whole
    opened.clear()
    assert told(remembered, root) == wanted
    assert len(opened) == 24, "is as good as none"
    assert only_file(cache).read_bytes() == whole, "and written anew, with nothing left beside it"


@pytest.mark.parametrize("home", ["file", "file/below", "/proc/none"])
def test_a_cache_that_cannot_be_kept_is_done_without(home, root, tmp_path, monkeypatch, capfd):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BAM_CACHE", str(tmp_path / home))
    agree(root)
    assert capfd.readouterr() == ("", "")


def test_a_user_without_a_home_does_without(root, monkeypatch):
    monkeypatch.delenv("BAM_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", lambda path: (_ for _ in ()).throw(RuntimeError("no home")))
    agree(root)


def test_nothing_is_written_to_the_runs_folder(root, cache):
    before = {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
    agree(root)
    assert {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]} == before
    assert only_file(cache).name.startswith("combine-")


def test_two_runs_folders_do_not_meet(root, cache, tmp_path):
    agree(root)
    shutil.copytree(root, tmp_path / "copy")
    has_another_commit(tmp_path / "copy")
    agree(tmp_path / "copy")
    assert len(list(cache.iterdir())) == 2


def test_a_changed_copy_of_a_study_has_a_file_of_its_own(root, cache):
    agree(root)
    moved = replace(STUDY, variant=("dataset.name=a/b",))
    gather(moved, root)
    assert [path.name.rpartition("-")[0] for path in cache.iterdir()] == ["combine", "combine"]


def test_a_row_that_is_left_out_stays_remembered(root, cache, opened):
    agree(root)
    finishes(root)
    settle()
    gather(STUDY.only({"row": ["SE_r8 <light>"]}), root)
    opened.clear()
    gather(STUDY, root)
    assert sorted(set(opened)) == [("SE_r8 <light>", 2), ("SE_r8 <light>", 3)], "missing: nothing to remember"


PROCESS = """
from pathlib import Path
from studies import records, sight
records.MANY, sight.QUIET = 0, {tick}
from analysis.formats import render
from analysis.table import tabulate
from tests.analysis.synthetic import STUDY
seen = {{render(tabulate(records.gather(STUDY, Path({root!r})), STUDY), "json") for _ in range(20)}}
(only,) = seen
print(only, end="")
"""


def test_processes_may_share_it(root, cache):
    wanted = told(afresh, root)
    settle()
    words = [sys.executable, "-c", PROCESS.format(tick=TICK, root=str(root))]
    home = Path(__file__).parent.parent.parent
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=home) for _ in range(2)]
    while any(process.poll() is None for process in both):
        for path in cache.glob("combine-*"):
            path.unlink(missing_ok=True)  # so that both write again and again
        time.sleep(0.001)
    assert [(process.communicate()[0], process.returncode) for process in both] == [(wanted, 0)] * 2
