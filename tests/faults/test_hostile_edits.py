"""A record that was edited after the fact: each single edit is found by `bam verify`, and the table tells of it."""

from __future__ import annotations

import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.cli import main
from lightning_bam.run_folder.files import write_object
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.hashes import HASHED
from studies.definition.stopping import Stopping
from studies.library import find_study
from studies.stopping_rules.declaration import declare, file_of, seal
from tests.analysis.synthetic import finish, interrupt

ROWS = {"none": "Run(**LIKE)", "BAM": "Run(attention=BAMSpec(), **LIKE)", "SE": "Run(attention=SESpec(), **LIKE)"}
FILE = """
from lightning_bam import BAMSpec, Digits, Recipe, Run, SESpec, SmallResNet
from studies import Study

LIKE = dict(dataset=Digits(), backbone=SmallResNet(), recipe=Recipe(epochs=2{recipe}))
STUDY = Study(
    name="sent",
    question="Does attention help?",
    rows={{{rows}}},
    baseline="none",
    scientific=("attention",),
    seeds={seeds},
)
"""
ERRORS = {"none": [22.0, 21.0, 23.0, 22.5], "BAM": [20.0, 19.1, 20.9, 20.4], "SE": [21.5, 21.3, 22.1, 21.9]}


def write_file(*, rows=tuple(ROWS), seeds=4, recipe=""):
    Path("sent.py").write_text(
        FILE.format(rows=", ".join(f"{row!r}: {ROWS[row]}" for row in rows), seeds=seeds, recipe=recipe)
    )
    return find_study("sent.py")


def train(study, rule, **others):
    """Write each run as if it had been trained, after the rule was declared, for this study."""
    for place, (row, run) in enumerate(study.runs()):
        noted = {
            "key": run.key,
            "studies": {"sent": {"row": row, **rule}},
            "started": "2040-01-01T00:00:00+00:00",
            "first_batch": [(run.seed + 1) * n for n in range(8)],
        }
        finish(Path("runs"), run, ERRORS[row][run.seed], loss=2 + place / 8, **(noted | others))


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """A study of three rows and four seeds, trained; returns the folder of BAM's seed 1."""
    monkeypatch.chdir(tmp_path)
    study = write_file()
    train(study, {})
    return RunFolder.of(Path("runs"), replace(study.rows["BAM"], seed=1))


@pytest.fixture
def ruled(tmp_path, monkeypatch):
    """The same by a stopping rule; returns the rule's file."""
    monkeypatch.chdir(tmp_path)
    study = write_file().stopping_by(Stopping(looks=(2, 4)))
    declare(study, Path("runs"), [])
    train(study, seal(Path("runs"), "sent"))
    return file_of(Path("runs"), study)


def said(capsys, *argv, code):
    capsys.readouterr()
    assert main([*argv, "sent.py"]) == code, capsys.readouterr()
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return out, err


def problems(capsys, code=1):
    out, err = said(capsys, "verify", code=code)
    return [line for line in (*out.splitlines()[:-1], *err.splitlines()) if not line.startswith("note: ")]


def notes(capsys):
    return json.loads(said(capsys, "table", "--format", "json", code=0)[0])["notes"]


def test_a_whole_record_has_no_problem(plain, capsys):
    assert problems(capsys, code=0) == []
    assert json.loads(said(capsys, "table", "--format", "json", code=0)[0])["unlisted"] == WHOLE


def edited_hashes():
    wrong = [None, {}, [], "", 7, "0" * 64, [["run.json", "0"]], dict.fromkeys(HASHED), dict.fromkeys(HASHED, 1)]
    yield from ((f"all of them {value!r}"[:50], lambda noted, value=value: value) for value in wrong)
    for name in HASHED:
        yield f"no {name}", lambda noted, name=name: {n: h for n, h in noted.items() if n != name}
        yield f"{name} null", lambda noted, name=name: noted | {name: None}
        if name != HASHED[2]:  # which is on another host: nobody can tell
            yield f"{name} another", lambda noted, name=name: noted | {name: "0" * 64}
    yield "one more", lambda noted: noted | {"../../../etc/passwd": "0" * 64}


@pytest.mark.parametrize("edit", dict(edited_hashes()).values(), ids=dict(edited_hashes()))
def test_hashes_that_are_not_exactly_those_of_the_training_are_a_problem_and_not_bundled(plain, capsys, edit):
    plain.note(sha256=edit(plain.manifest().sha256))
    (line,) = problems(capsys)
    assert line.startswith("runs/" + plain.path.name)
    assert line.endswith("(sent, row 'BAM', seed 1)")
    _, err = said(capsys, "bundle", "-o", "sent.tar.gz", code=2)
    assert err.startswith(f"bam: not bundled: runs/{plain.path.name}/")
    assert err.count("\n") == 1
    assert not Path("sent.tar.gz").exists()


def test_no_entry_of_the_manifest_hides_that_figures_were_made_better(plain, capsys):
    for name in ("metrics.jsonl", "result.json"):
        path = plain.path / name
        path.write_text(path.read_text().replace("19.1", "9.1").replace("64720", "72720"))
    whole = plain.manifest().entries
    for name in whole:
        write_object(plain.path / "manifest.json", {n: v for n, v in whole.items() if n != name})
        assert any(plain.path.name in line for line in problems(capsys)), name


def edit_rule(**entries):
    return lambda path: write_object(path, json.loads(path.read_text()) | entries)


OTHER_RULES = {
    "other looks": edit_rule(stopping={"looks": [3, 4], "spending": "pocock", "level": 0.05}),
    "a higher level": edit_rule(stopping={"looks": [2, 4], "spending": "obrien-fleming", "level": 0.4}),
    "a margin": edit_rule(margin=5.0),
    "back-dated": edit_rule(declared="2020-01-01T00:00:00+00:00"),
    "from after the look": edit_rule(declared="2041-01-01T00:00:00+00:00"),
    "another commit": edit_rule(commit="0" * 12),
    "seeds in another order": edit_rule(seeds=[3, 2, 1, 0]),
    "one more entry": edit_rule(because="it is better"),
    "removed": lambda path: path.unlink(),
    "other seeds": edit_rule(seeds=[10, 11, 12, 13]),
}


@pytest.mark.parametrize("edit", OTHER_RULES.values(), ids=OTHER_RULES)
def test_a_rule_that_was_edited_or_removed_after_the_runs_began_is_a_problem(ruled, capsys, edit):
    assert problems(capsys, code=0) == []
    assert not [note for note in notes(capsys) if "rule on file" in note]
    edit(ruled)
    (line,) = problems(capsys)
    which = "is not the one" if ruled.exists() else "no such file, though there was one"
    assert line == (
        f"runs/rules/sent.json: {which} that 12 runs of its study were begun under: a rule that changes, or is made, "
        "after a look does not hold its level; restore it from a copy (sent)"
    )
    said_so = "The stopping rule on file is not the one that runs of this study were begun under: see `bam verify`."
    assert notes(capsys).count(said_so) == 1
    assert said_so in " ".join(said(capsys, "table", code=0)[0].split())


def test_a_rule_that_is_put_there_after_the_look_is_a_problem(plain, capsys):
    """Declared where there are no runs, and carried over; with a date from before them, or not."""
    study = find_study("sent.py").stopping_by(Stopping(looks=(2, 4)))
    declare(study, Path("elsewhere"), [])
    shutil.copytree("elsewhere/rules", "runs/rules")
    for when in ("2020-01-01", "2041-01-01"):
        edit_rule(declared=f"{when}T00:00:00+00:00")(file_of(Path("runs"), study))
        (line,) = problems(capsys)
        assert line == (
            f"runs/rules/sent.json: declared {when}T00:00:00+00:00, but 8 of the runs that it counts were not begun "
            "under it (as 'BAM', seed 0): a rule that changes, or is made, after a look does not hold its level (sent)"
        )
        told = (
            "4 of the baseline's runs had begun before the stopping rule of 'sent' was declared (as 'none', seed 0): "
        )
        assert sum(told in line for line in said(capsys, "verify", code=1)[0].splitlines()) == 1


@pytest.mark.parametrize(("started", "late"), [("2020-01-01T00:00:00+00:00", True), (None, False)])
def test_a_rule_is_from_before_the_runs_that_older_versions_trained(tmp_path, monkeypatch, capsys, started, late):
    """Their manifests have no seal: only when they were started can tell. What is not told is held against nobody."""
    monkeypatch.chdir(tmp_path)
    study = write_file().stopping_by(Stopping(looks=(2, 4)))
    declare(study, Path("runs"), [])
    train(study, {}, studies=None, started=started)
    assert len(problems(capsys, code=int(late))) == late


HOSTILE = {
    "stopping": [None, [], {}, {"looks": 5, "spending": "pocock", "level": 0.05}],
    "looks": [5, "24", None, {}, [], [2, "4"], [2, 4.0], [True, 4], [[2], 4]],
    "spending": [None, [], {}, 1, "all at once"],
    "level": [None, "0.05", [], True, -1, 10**400],
    "seeds": [
        None,
        4,
        "0123",
        {},
        [],
        [0, 1, 2],
        [0, 1, 2, 2],
        [0, 1, 2, "3"],
        [0, 1, 2, -3],
        [0, 1, 2, True],
        [[]] * 4,
    ],
    "rows": [None, [], 1, "none", {"none": 1}, {"none": []}],
    "baselines": [None, [], 1, "none", {"none": 1}, {"none": {}}],
    "margin": ["1", [], -1, 0, True, 10**400],
    "comparisons": [None, "2", [], 2.5, True],
    "metric": [None, 1, []],
    "study": [None, 1, []],
    "declared": [None, 1, [], "yesterday", "2020-01-01T00:00:00"],
    "schema": [None, 2, [], {}, "1"],
}


VERBS = ("verify", "table", "status", "plan")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_rule_with_hostile_content_is_one_line(ruled, capsys, name):
    whole = json.loads(ruled.read_text())
    for value in HOSTILE[name]:
        bad = (
            whole | {"stopping": whole["stopping"] | {name: value}}
            if name in whole["stopping"]
            else whole | {name: value}
        )
        ruled.write_text(json.dumps(bad))
        for verb in VERBS if value is HOSTILE[name][0] else VERBS[len(str(value)) % 4 :][:1]:
            _, err = said(capsys, verb, code=2)
            assert err.startswith("bam: "), value
            assert err.count("\n") == 1, value
            assert len(err) < 500
    elsewhere = write_file(rows=("none", "BAM"))
    Path("other.py").write_text(Path("sent.py").read_text().replace('"sent"', '"other"'))
    assert elsewhere.label == "sent"
    capsys.readouterr()
    assert main(["table", "other.py"]) == 0, "its rows are another study's, too, which stops nobody"
    assert ("bam: passed over: runs/rules/sent.json: " in capsys.readouterr().err) == (name != "schema")
    assert "Traceback" not in capsys.readouterr().err


WHOLE = {"seeds": [], "rows": [], "compared": [], "changed": [], "attempts": []}
SEEDS = "which it does not ask: seeds dropped after a look make p too small, fresh ones in place of all of them do not."
DROPPED_SE = (
    "results of this study for row 'SE', which it has not: p and intervals are for 2 comparisons, not 1, so that "
    "dropping rows after a look resolves none."
)
DROPPED = {
    "a seed": ({"seeds": 3}, WHOLE | {"seeds": [3]}, f"runs of this study at seed 3, {SEEDS}"),
    "seeds": ({"seeds": (1, 2)}, WHOLE | {"seeds": [0, 3]}, f"runs of this study at seeds 0, 3, {SEEDS}"),
    "a row": ({"rows": ("none", "BAM")}, WHOLE | {"rows": ["SE"], "compared": ["SE"]}, DROPPED_SE),
    "both": (
        {"rows": ("none", "BAM"), "seeds": 2},
        WHOLE | {"seeds": [2, 3], "rows": ["SE"], "compared": ["SE"]},
        DROPPED_SE,
    ),
    "settings": (
        {"recipe": ", lr=0.25"},
        WHOLE | {"changed": ["none", "BAM", "SE"]},
        "runs of this study for rows 'none', 'BAM', 'SE' with other settings or code: changes after a look make p too "
        "small.",
    ),
}


@pytest.mark.parametrize("how", DROPPED)
def test_what_a_study_drops_after_the_look_is_told_by_table_verify_and_bundle(plain, capsys, how):
    change, unlisted, told = DROPPED[how]
    write_file(**change)
    table = json.loads(said(capsys, "table", "--format", "json", code=0)[0])
    assert table["unlisted"] == unlisted
    note = f"The record has {told}"
    assert table["notes"].count(note) == 1
    assert note in " ".join(said(capsys, "table", code=0)[0].split())
    assert f"note: runs: {note} (sent)" in said(capsys, "verify", code=0)[0].splitlines()
    if how == "settings":
        return  # none of its own runs is there to be bundled
    said(capsys, "bundle", "-o", "sent.tar.gz", code=0)
    with tarfile.open("sent.tar.gz") as archive:
        archive.extractall("there", filter="data")
    there = json.loads(Path("there/sent/table.json").read_text())
    assert there["unlisted"] == unlisted
    assert main(["verify", "sent.py", "--root", "there/sent/runs", "--table", "there/sent/table.json"]) == 0


def test_a_table_that_hides_what_a_study_has_dropped_is_told(plain, capsys):
    change, unlisted, _ = DROPPED["seeds"]
    write_file(**change)
    table = json.loads(said(capsys, "table", "--format", "json", code=0)[0])
    hidden = table["unlisted"] | {"seeds": []}
    for written, told in (
        (table, []),
        ({name: item for name, item in table.items() if name != "unlisted"}, []),
        (table | {"unlisted": hidden}, [f"unlisted.seeds: the file says [], the record gives {unlisted['seeds']}"]),
        (
            table | {"unlisted": None},
            ['unlisted: the file says null, the record gives {"seeds": [0, 3], "rows": [], "compared" ...'],
        ),
    ):
        Path("t.json").write_text(json.dumps(written))
        lines = said(capsys, "verify", "--table", "t.json", code=0)[0].splitlines()
        assert [line for line in lines if "t.json" in line] == [f"note: t.json: column {one} (sent)" for one in told]


def test_a_failed_seed_that_is_dropped_is_told(plain, capsys):
    failed = replace(write_file(seeds=5).rows["BAM"], seed=4)
    interrupt(Path("runs"), failed, "failed")
    RunFolder.of(Path("runs"), failed).note(studies={"sent": {"row": "BAM"}})
    write_file()
    assert json.loads(said(capsys, "table", "--format", "json", code=0)[0])["unlisted"]["seeds"] == [4]


def test_runs_that_another_study_s_rule_gave_are_told_under_a_new_name(ruled, capsys):
    text = Path("sent.py").read_text()
    Path("sent.py").write_text(text.replace('name="sent"', 'name="second"').replace("seeds=4", "seeds=3"))
    notes = [line for line in said(capsys, "verify", code=0)[0].splitlines() if line.startswith("note: ")]
    told = "9 runs of this study were begun for 'sent', under the stopping rule of that study"
    assert [line for line in notes if told in line] == [f"note: runs: {told} (second)"]


def test_the_bundle_of_a_ruled_study_has_the_table_that_its_runs_give(ruled, capsys):
    again = replace(find_study("sent.py"), name="again").stopping_by(Stopping(looks=(2, 4)), 10)
    declare(again, Path("runs"), [])
    table = said(capsys, "table", code=0)[0]
    said(capsys, "bundle", "-o", "sent.tar.gz", code=0)
    with tarfile.open("sent.tar.gz") as archive:
        archive.extractall("there", filter="data")
    assert "on file" not in Path("there/sent/table.txt").read_text()
    assert [line for line in table.splitlines() if "on file" in line] == []
    assert "2 attempts together" in " ".join(Path("there/sent/table.txt").read_text().split())


def test_a_part_that_is_shown_drops_nothing(plain, capsys):
    for words in (["--only", "row=BAM"], ["--seeds", "2"], ["--seeds", "2", "--only", "attention=se"]):
        table = json.loads(said(capsys, "table", "--format", "json", *words, code=0)[0])
        assert table["unlisted"] == WHOLE, words


def test_what_another_study_has_trained_is_none_of_this_ones(plain, capsys):
    study = write_file(seeds=6)
    for seed in (4, 5):
        finish(Path("runs"), replace(study.rows["BAM"], seed=seed), 20.0, studies={"other": {"row": "BAM"}})
    for hostile in (None, {}, {"sent": {}}):
        write_file(seeds=4)
        finish(Path("runs"), replace(study.rows["SE"], seed=5), 20.0, loss=3.5, studies=hostile)
        assert json.loads(said(capsys, "table", "--format", "json", code=0)[0])["unlisted"]["seeds"] == []
        shutil.rmtree(RunFolder.of(Path("runs"), replace(study.rows["SE"], seed=5)).path)
