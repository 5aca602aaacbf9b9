"""`bam bundle`: unpacked somewhere else, the page in it says how to rebuild the table, and that is what happens."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from analysis.bundle.anonymous import refuse, where, who
from analysis.cli import main
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.hashes import hashes, seal
from studies.library import find_study
from tests.analysis.synthetic import write

BAM = [sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())"]
HOME = Path(__file__).parents[3]


@pytest.fixture
def runs(tiny_copy):
    """The run folders, with what does not belong into a bundle: W&B's record and a half-written file."""
    secret = tiny_copy["none", 0].path.parent / "wandb" / "offline-run-1"
    secret.mkdir(parents=True)
    (secret / "run.wandb").write_text("somebody's key")
    (tiny_copy["none", 0].path / ".result.json.4711").write_text("{")
    return tiny_copy


def bundled(capsys, *argv):
    capsys.readouterr()
    assert main(["bundle", *argv]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("bam bundle: ")
    return Path(out.strip())


def unpacked(path, to):
    to.mkdir()
    subprocess.run(["tar", "xzf", path.absolute()], cwd=to, check=True)
    (top,) = to.iterdir()
    return top


def commands(top, verb):
    """Return the commands of that verb on the bundle's own page, without `bam`."""
    lines = [line.strip() for line in (top / "README.txt").read_text().splitlines()]
    return [line.split()[1:] for line in lines if line.startswith(f"bam {verb} ")]


def run(top, words):
    environment = os.environ | {"PYTHONPATH": str(HOME)}
    return subprocess.run([*BAM, *words], cwd=top, capture_output=True, text=True, check=False, env=environment)


def summed(top):
    return subprocess.run(
        ["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=top, capture_output=True, text=True, check=False
    )


def test_the_table_is_rebuilt_byte_for_byte_somewhere_else(runs, tmp_path, capsys):
    top = unpacked(bundled(capsys, "tiny.py", "-o", "artefact.tar.gz"), tmp_path / "reader")
    shutil.move(tmp_path / "user", tmp_path / "gone")
    assert top.name == "tiny"
    assert summed(top).returncode == 0
    text, again = commands(top, "table")
    assert text == ["table", "study.py", "--root", "runs"]
    assert run(top, text).stdout == (top / "table.txt").read_text()
    here = {path: path.read_bytes() for path in top.rglob("*") if path.is_file()}
    assert run(top, again).returncode == 0
    assert {path: path.read_bytes() for path in top.rglob("*") if path.is_file()} == here, "nothing is written in it"
    assert (top.parent / "again.json").read_bytes() == (top / "table.json").read_bytes()
    (check,) = commands(top, "verify")
    done = run(top, check)
    assert done.stdout.splitlines() == [
        "note: tiny: no checkpoint here for 4 of 4 runs: fetched from another host, left out of a bundle, or removed; "
        "their figures do not need it",
        "verified: 4 complete runs of 1 study, compared with 1 table, 0 problems",
    ]
    assert done.returncode == 0


def test_a_link_is_followed(runs, capsys):
    Path("link.tar.gz").symlink_to("artefact.tar.gz")
    assert bundled(capsys, "tiny.py", "-o", "link.tar.gz").is_symlink()
    assert tarfile.is_tarfile("artefact.tar.gz")


def test_a_byte_that_flips_in_it_is_one_clear_line(runs, tmp_path, capsys):
    top = unpacked(bundled(capsys, "tiny.py", "-o", "artefact.tar.gz"), tmp_path / "reader")
    path = next(top.glob("runs/*/metrics.jsonl"))
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)
    done = run(top, commands(top, "verify")[0])
    problems = [line for line in done.stdout.splitlines() if not line.startswith(("note: ", "verified: "))]
    assert done.returncode == 1
    assert problems[0].startswith(f"{path.relative_to(top)}: not the file that the training left (SHA-256 ")
    assert done.stdout.splitlines()[-1].endswith(f"{len(problems)} problem{'s' * (len(problems) > 1)}")
    assert summed(top).stdout == f"{path.relative_to(top)}: FAILED\n"


def test_the_same_runs_give_the_same_bytes(runs, tmp_path, capsys, monkeypatch):
    one = bundled(capsys, "tiny.py", "-o", "one.tar.gz").read_bytes()
    shutil.copytree("runs", "elsewhere")
    for path in Path("elsewhere").rglob("*"):
        os.utime(path, (1e9, 1e9))
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    before = os.umask(0o077)
    try:
        other = bundled(capsys, "tiny.py", "--root", "elsewhere", "-o", "two.tgz").read_bytes()
    finally:
        os.umask(before)
    assert one == other
    with tarfile.open("two.tgz") as tar:
        members = tar.getmembers()
        everything = b"".join(tar.extractfile(member).read() for member in members)
    assert b"hunter2" not in everything
    assert b"somebody's key" not in everything
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime, m.mode) for m in members} == {(0, 0, "", "", 315532800, 0o644)}


def test_what_is_in_it(runs, capsys):
    path = bundled(capsys, "tiny.py", "-o", "one.tar.gz", "--weights")
    with tarfile.open(path) as tar:
        names = set(tar.getnames())
        sums = tar.extractfile("tiny/SHA256SUMS").read().decode().splitlines()
        study = tar.extractfile("tiny/study.py").read()
        pins = tar.extractfile("tiny/constraints.txt").read().decode().splitlines()
        page = tar.extractfile("tiny/report.html").read().decode()
    tables = {f"table.{form}" for form in ("txt", "md", "csv", "json", "tex", "html")}
    each = ("run.json", "manifest.json", "metrics.jsonl", "result.json", "rank0.log", "checkpoints/last.ckpt")
    records = {f"runs/{folder.path.name}/{name}" for folder in runs.values() for name in each}
    there = {*tables, *records, "README.txt", "report.html", "study.py", "constraints.txt", "SHA256SUMS"}
    assert names == {f"tiny/{name}" for name in there}
    assert {line[66:] for line in sums} == there - {"SHA256SUMS"}
    assert study == Path("tiny.py").read_bytes()
    assert all(f"runs/{folder.path.name}" in page for folder in runs.values()), "and names folders as they lie there"
    assert "bam-bundle-" not in page
    assert pins == sorted(pins)
    assert any(pin.startswith("torch==") for pin in pins)


def test_an_unfinished_study_is_refused_unless_that_is_wanted(runs, tmp_path, capsys):
    (runs["BAM", 1].path / "result.json").unlink()
    assert main(["bundle", "tiny.py", "-o", "one.tar.gz"]) == 2
    assert capsys.readouterr() == (
        "",
        "bam: tiny: 3 of 4 runs are complete (1 interrupted); `bam run` trains them, or --partial bundles what there "
        "is\n",
    )
    assert not Path("one.tar.gz").exists()
    top = unpacked(bundled(capsys, "tiny.py", "-o", "one.tar.gz", "--partial"), tmp_path / "reader")
    assert "3 of 4 runs are complete" in (top / "README.txt").read_text()
    assert "1 interrupted" in (top / "table.txt").read_text()
    assert run(top, commands(top, "table")[0]).stdout == (top / "table.txt").read_text()
    assert main(["bundle", "tiny.py", "--root", "nowhere", "-o", "one.tar.gz", "--partial"]) == 2
    assert capsys.readouterr().err == "bam: --root nowhere: no such folder; give the runs folder\n"


def test_failed_runs_are_told_the_option_that_trains_them_again(runs, capsys):
    (runs["BAM", 1].path / "result.json").unlink()
    runs["BAM", 1].note(state="failed")
    assert main(["bundle", "tiny.py", "-o", "one.tar.gz"]) == 2
    assert capsys.readouterr().err == (
        "bam: tiny: 3 of 4 runs are complete (1 failed); `bam run --retry failed` trains them, failed ones again, or "
        "--partial bundles what there is\n"
    )


def test_a_record_that_cannot_be_trusted_is_not_published(runs, capsys):
    path = runs["none", 1].path / "result.json"
    path.write_text(path.read_text().replace('"params": ', '"params": 1'))
    assert main(["bundle", "tiny.py", "-o", "one.tar.gz"]) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"bam: not bundled: {path}: not the file that the training left (SHA-256 ")
    assert (out, err.count("\n")) == ("", 1)
    assert not Path("one.tar.gz").exists()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("one.zip", "bam: --output one.zip: a bundle is a tar.gz; call it one.tar.gz\n"),
        ("nowhere/one.tar.gz", "bam: nowhere/one.tar.gz: cannot be written (No such file or directory)\n"),
    ],
)
def test_a_wrong_name_is_one_line(runs, capsys, name, line):
    assert main(["bundle", "tiny.py", "-o", name]) == 2
    assert capsys.readouterr() == ("", line)
    assert not list(Path().glob(".one*"))


def test_a_study_of_the_catalogue_is_named_with_its_options(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    study = find_study("quickstart").override({"recipe.epochs": "2"}).with_seeds(2)
    write(tmp_path / "runs", study, {row: [20.0 + place, 21.0] for place, row in enumerate(study.rows)})
    argv = ["quickstart", "--set", "recipe.epochs=2", "--seeds", "2", "-o", "q.tar.gz"]
    top = unpacked(bundled(capsys, *argv), tmp_path / "reader")
    assert top.name == "quickstart+recipe.epochs=2"
    assert not (top / "study.py").exists()
    text, _ = commands(top, "table")
    assert text == ["table", "quickstart", "--set", "recipe.epochs=2", "--seeds", "2", "--root", "runs"]
    assert run(top, text).stdout == (top / "table.txt").read_text()
    assert "the study quickstart is in lightning-bam's catalogue" in (top / "README.txt").read_text()
    assert json.loads((top / "table.json").read_text())["complete"]


class TestAnonymous:
    """Of runs whose manifests name a host, by a user who has a home, an e-mail address and a repository."""

    @pytest.fixture
    def canaries(self, runs, tmp_path, monkeypatch):
        """Put them where they are in life, and return them."""
        home = tmp_path / "home-of-heron"
        home.mkdir()
        for name, value in (("HOME", str(home)), ("USER", "heron"), ("WANDB_ENTITY", "herons-lab")):
            monkeypatch.setenv(name, value)
        git = ["git", "-c", "init.defaultBranch=main"]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "config", "user.email", "ardea@cinerea.example"], check=True)
        subprocess.run([*git, "config", "user.name", "Ardea Cinerea"], check=True)
        subprocess.run([*git, "remote", "add", "origin", "git@forge.example:heron/private.git"], check=True)
        for folder in runs.values():
            made = folder.manifest().entries
            attempts = [one | {"host": "reedbed7"} for one in made["attempts"]]
            folder.note(host="reedbed7", attempts=attempts, traceback=f"File {home}/x.py", error=str(home))
            folder.note(user="heron", cwd=str(home), argv=["--storage", "postgresql://heron@reedbed7/runs"])
            folder.note(sha256=made["sha256"] | {"manifest.json": seal(folder.manifest().entries)})
            folder.log.write_text(f"{home} on reedbed7\n")
        return ("heron", "ardea", "cinerea", "reedbed7", "forge.example", str(tmp_path), str(HOME))

    def test_nothing_in_it_says_who_or_where_and_it_verifies(self, canaries, tmp_path, capsys):
        path = bundled(capsys, "tiny.py", "-o", "blind.tar.gz", "--anonymous", "--weights")
        top = unpacked(path, tmp_path / "reader")
        for member in [path for path in top.rglob("*") if path.is_file()]:
            data = member.read_bytes()
            for picture in re.findall(rb"base64,([\w+/=]+)", data):
                data += base64.b64decode(picture)
            assert [text for text in canaries if text.lower().encode() in data.lower()] == [], member
        assert not list(top.rglob("*.log"))
        assert "lightning-bam==" not in (top / "constraints.txt").read_text(), "it is installed from a folder here"
        assert "left out, for blind review" in (top / "README.txt").read_text()
        assert summed(top).returncode == 0
        assert run(top, commands(top, "table")[0]).stdout == (top / "table.txt").read_text()
        done = run(top, commands(top, "verify")[0])
        assert done.stdout.splitlines() == [
            "note: tiny: 4 of 4 runs were anonymised for a bundle: where they were trained is left out, and the hashes "
            "of their manifests were made anew",
            "verified: 4 complete runs of 1 study, compared with 1 table, 0 problems",
        ]
        path = next(top.glob("runs/*/manifest.json"))
        path.write_text(path.read_text().replace("anonymised", "unnamed"))
        assert run(top, commands(top, "verify")[0]).returncode == 1, "that it was anonymised is sealed"

    def test_neither_other_studies_nor_commits_are_in_it_and_what_follows_from_them_is(self, canaries, runs, tmp_path):
        theirs = {"herons-next-paper": {"row": "wings", "rule": "00ff", "declared": "2026-01-02T03:04:05+00:00"}}
        for (row, seed), folder in runs.items():
            made = folder.manifest().entries
            commit = "c0ffee123456" if row == "none" else "ba5eba11ab1e+1a2b3c4d"
            own = {} if (row, seed) == ("BAM", 1) else made["studies"]
            attempts = [one | {"commit": commit} for one in made["attempts"]]
            folder.note(commit=commit, attempts=attempts, studies=own | theirs)
            folder.note(sha256=made["sha256"] | {"manifest.json": seal(folder.manifest().entries)})
        assert main(["bundle", "tiny.py", "-o", "blind.tar.gz", "--anonymous"]) == 0
        top = unpacked(Path("blind.tar.gz"), tmp_path / "reader")
        told = "\n".join(path.read_text() for path in top.rglob("*") if path.is_file())
        assert [text for text in ("herons", "wings", "c0ffee", "ba5eba11") if text in told] == []
        made = {
            key: json.loads((top / "runs" / run.path.name / "manifest.json").read_text()) for key, run in runs.items()
        }
        assert {key: (one["commit"], one["attempts"][-1]["commit"]) for key, one in made.items()} == {
            (row, seed): (("2", "2") if row == "none" else ("1+1a2b3c4d", "1+1a2b3c4d"))
            for row in ("none", "BAM")
            for seed in (0, 1)
        }
        assert made["BAM", 0]["studies"] == {"tiny": {"row": "BAM", "metric": "error_top1", "margin": "none"}}
        done = run(top, commands(top, "verify")[0])
        assert done.returncode == 0, done.stdout
        assert (
            "1 runs of this study were begun for 'another study', under the stopping rule of that study" in done.stdout
        )
        assert "1+1a2b3c4d" in (top / "table.txt").read_text()

    @pytest.mark.parametrize("name", ["heron", "Ardéa O'Cinerea"])
    def test_a_name_in_what_others_wrote_is_refused_too(self, canaries, runs, capsys, name):
        subprocess.run(["git", "config", "user.name", name], check=True)
        folder = runs["none", 1]
        folder.note(device=f"cuda of {name}")
        folder.note(sha256=folder.manifest().sha256 | {"manifest.json": seal(folder.manifest().entries)})
        assert main(["bundle", "tiny.py", "-o", "blind.tar.gz", "--anonymous"]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"bam: not anonymous: runs/{folder.path.name}/manifest.json, line ")
        assert (err.count("\n"), err.endswith("; take it out\n")) == (1, True)

    def test_a_name_in_a_layers_is_refused_too(self, canaries, runs, capsys):
        folder = runs["BAM", 1]
        path = folder.path / "metrics.jsonl"
        path.write_text(path.read_text().replace('"layer2"', '"heron_block"'))
        folder.note(sha256=hashes(folder, folder.result()))
        assert main(["bundle", "tiny.py", "-o", "blind.tar.gz", "--anonymous"]) == 2
        key = folder.path.name
        assert capsys.readouterr().err.startswith(
            f"bam: not anonymous: runs/{key}/metrics.jsonl, line 1: 'heron' is a user name"
        )

    def test_a_name_that_is_a_word_of_ours_names_nobody_in_what_we_wrote(self, canaries, monkeypatch, capsys):
        monkeypatch.setenv("USER", "table")
        bundled(capsys, "tiny.py", "-o", "blind.tar.gz", "--anonymous")
        Path("tiny.py").write_text(Path("tiny.py").read_text() + "# for Table\n")
        assert main(["bundle", "tiny.py", "-o", "other.tar.gz", "--anonymous"]) == 2
        assert "'Table' is a user name; take it out" in capsys.readouterr().err

    def test_what_the_user_wrote_is_refused_with_its_lines(self, canaries, capsys):
        file = Path("tiny.py")
        wrong = ["", "# ask Heron", "DATA = '/scratch/lab/images'", "MAIL = 'a@b.example'", f"HERE = '{Path.cwd()}'"]
        file.write_text(file.read_text() + "\n".join(wrong) + "\n")
        first = file.read_text().split("\n").index("# ask Heron") + 1
        assert main(["bundle", "tiny.py", "-o", "blind.tar.gz", "--anonymous"]) == 2
        out, err = capsys.readouterr()
        assert err.startswith(
            f"bam: not anonymous: study.py, line {first}: 'Heron' is a user name (and 3 more: study.py, "
            f"line {first + 1}: '/scratch/lab/images' is like an absolute path; study.py, "
            f"line {first + 2}: 'a@b.example' is like an e-mail address; study.py, line {first + 3}: "
        )
        assert (out, err.count("\n"), err.endswith("; take it out\n")) == ("", 1, True)
        assert not Path("blind.tar.gz").exists()
        bundled(capsys, "tiny.py", "-o", "named.tar.gz")


def test_what_a_study_imports_from_beside_it_is_in_the_bundle(runs, tmp_path, capsys):
    Path("widths").mkdir()
    Path("widths/__init__.py").write_text("WIDTH = 4\n")
    file = Path("tiny.py")
    file.write_text(
        file.read_text().replace("width=4", "width=widths.WIDTH").replace("\nbase", "\nimport widths\nbase")
    )
    top = unpacked(bundled(capsys, "tiny.py", "-o", "one.tar.gz"), tmp_path / "reader")
    assert (top / "widths" / "__init__.py").read_text() == "WIDTH = 4\n"
    assert run(top, commands(top, "table")[0]).stdout == (top / "table.txt").read_text()


def test_an_anonymous_bundle_holds_no_checkpoint_that_tells_where_it_was_written():
    path = b"/home/jane/runs/512daf1dedb4cf90/checkpoints/last.ckpt"
    with pytest.raises(FolderError, match=f"last.ckpt, line 1: '{path.decode()}' is where the run was trained"):
        refuse({"runs/512daf1dedb4cf90/checkpoints/last.ckpt": b"pathX6\0\0\0" + path + b"r\xee"}, {}, {})
    refuse({"runs/512daf1dedb4cf90/checkpoints/last.ckpt": b"PK last/data.pkl"}, {}, {})


def test_who_git_takes_the_user_for_elsewhere_is_searched_for_too(tmp_path, monkeypatch):
    """A name set in one repository for blind review hides none that stands in the user's own settings."""
    (tmp_path / "global").write_text("[user]\n\tname = Ardea Cinerea\n\temail = ardea@heron.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "global"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Egretta Garzetta")
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "config", "user.name", "nobody at all"], check=True)
    assert {"Ardea Cinerea", "Egretta Garzetta", "nobody at all"} <= who([]).keys()
    assert "ardea@heron.org" in where(tmp_path, None)
