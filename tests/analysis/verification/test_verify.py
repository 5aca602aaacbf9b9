"""What is wrong with records is found, file by file, and nothing is found where nothing is wrong."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.formats.render import render
from analysis.table.build import tabulate
from analysis.verification.folders import miscount
from analysis.verification.tables import compare, differences, read_tables
from analysis.verification.verify import verify
from lightning_bam.config import BAMSpec, Recipe, Run, SESpec
from lightning_bam.run_folder.files import FolderError, write_object
from lightning_bam.run_folder.folder import RunFolder
from studies.definition.study import Study
from studies.records.records import gather
from tests.analysis.synthetic import finish, interrupt, sign

BASE = Run(recipe=Recipe(epochs=2))
STUDY = Study(
    name="made-up",
    question="Does attention help?",
    rows={"none": BASE, "BAM": replace(BASE, attention=BAMSpec()), "SE": replace(BASE, attention=SESpec())},
    baseline="none",
    scientific=("attention",),
    seeds=3,
)
ERRORS = {"none": [22.0, 21.0, 23.0], "BAM": [20.0, 19.1, 20.9], "SE": [21.5, 21.3, 22.1]}


@pytest.fixture
def folders(tmp_path):
    """Nine complete runs with hashes: (row, seed) -> folder."""
    made = {}
    for place, (row, run) in enumerate(STUDY.runs()):
        folder = finish(tmp_path / "runs", run, ERRORS[row][run.seed], loss=2 + place / 8, key=run.key)
        made[row, run.seed] = folder
    for folder in made.values():
        sign(folder)
    return made


def forget(folder):
    """Make the record one from before there were hashes."""
    manifest = dict(folder.manifest().entries)
    manifest.pop("sha256", None)
    write_object(folder.path / "manifest.json", manifest)


def edit(folder, name, change):
    path = folder.path / name
    path.write_text(change(path.read_text()))


def edit_lines(folder, change):
    lines = [change(dict(line)) for line in folder.metrics()]
    (folder.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def found(folders, **how):
    root = folders["none", 0].path.parent
    verified = verify([STUDY], root, **how)
    return [finding.line.replace(f"{root}/", "") for finding in verified.problems]


def notes(folders):
    root = folders["none", 0].path.parent
    return [finding.line.replace(f"{root}/", "") for finding in verify([STUDY], root).notes]


LIGHT = (
    "made-up: no checkpoint here for 9 of 9 runs: fetched from another host, left out of a bundle, or removed; their "
    "figures do not need it"
)


def test_whole_records_have_no_problem(folders):
    assert found(folders, others=True) == []
    assert notes(folders) == [LIGHT]
    before = {path: path.stat().st_mtime_ns for path in folders["BAM", 0].path.parent.rglob("*")}
    assert found(folders) == []
    assert {path: path.stat().st_mtime_ns for path in folders["BAM", 0].path.parent.rglob("*")} == before


def test_a_complete_run_without_hashes_is_a_problem(folders):
    """A run from before there were any looks as one whose hashes were taken out, so it counts as one."""
    forget(folders["BAM", 1])
    assert found(folders) == [
        f"{folders['BAM', 1].path.name}/manifest.json: has no hashes (sha256), as every finished run has; nothing "
        "shows that the files are what the training left: restore it from a copy, or remove this run folder to train "
        "it again (`bam reproduce` compares the figures without it) (made-up, row 'BAM', seed 1)"
    ]
    assert notes(folders) == [LIGHT.replace("9 of 9", "8 of 9")]


@pytest.mark.parametrize("empty", [False, True])
def test_a_complete_run_without_its_manifest_is_a_problem(folders, empty):
    manifest = folders["BAM", 1].path / "manifest.json"
    manifest.write_text("{}") if empty else manifest.unlink()
    key = folders["BAM", 1].path.name
    assert found(folders) == [f"{key}/manifest.json: missing or empty, beside a result.json; {AGAIN}"]


AGAIN = "restore it from a copy, or remove this run folder to train it again (made-up, row 'BAM', seed 1)"
FAULTS = {
    "a flipped digit in metrics.jsonl": (
        lambda f: edit(f, "metrics.jsonl", lambda t: t.replace("60.0", "61.0")),
        "metrics.jsonl: not the file that the training left (SHA-256 ",
        AGAIN,
    ),
    "a torn metrics.jsonl": (
        lambda f: edit(f, "metrics.jsonl", lambda t: t[:-9]),
        "metrics.jsonl: not the file that the training left (SHA-256 ",
        AGAIN,
    ),
    "an edited error": (
        lambda f: edit(f, "result.json", lambda t: t.replace('"error_top1": 19.1', '"error_top1": 18.1')),
        "result.json: not the file that the training left (SHA-256 ",
        AGAIN,
    ),
    "a truncated result.json": (
        lambda f: edit(f, "result.json", lambda t: t[:30]),
        "result.json: not the file that the training left (SHA-256 ",
        AGAIN,
    ),
    "no metrics.jsonl": (
        lambda f: (f.path / "metrics.jsonl").unlink(),
        "metrics.jsonl: missing since the run was complete; ",
        AGAIN,
    ),
    "no run.json": (
        lambda f: (f.path / "run.json").unlink(),
        "run.json: missing since the run was complete; ",
        AGAIN,
    ),
    "an edited recipe": (
        lambda f: edit(f, "run.json", lambda t: t.replace('"epochs": 2', '"epochs": 3')),
        "run.json: not the file that the training left (SHA-256 ",
        AGAIN,
    ),
    "a space in run.json": (
        lambda f: edit(f, "run.json", lambda t: t + " "),
        "run.json: not the file that the training left (SHA-256 ",
        AGAIN,
    ),
    "another commit": (
        lambda f: edit(f, "manifest.json", lambda t: t.replace("3f2a91c", "91bc002")),
        "manifest.json: says other things of how the run was trained than when it was complete; ",
        AGAIN,
    ),
    "a torn manifest.json": (
        lambda f: edit(f, "manifest.json", lambda t: t[:50]),
        "manifest.json: torn or not JSON (",
        "; remove this run folder to train it again (made-up, row 'BAM', seed 1)",
    ),
    "hashes that are none": (
        lambda f: f.note(sha256={"run.json": 1}),
        "manifest.json: its sha256 is {'run.json': 1}, not a hash of each of run.json, ",
        "(made-up, row 'BAM', seed 1)",
    ),
    "another's manifest": (
        lambda f: f.note(key="0" * 16),
        f"manifest.json: is that of run {'0' * 16}, not of ",
        AGAIN,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_file_is_one_line_that_names_it_and_what_to_do(folders, fault):
    damage, start, end = FAULTS[fault]
    damage(folders["BAM", 1])
    (line,) = found(folders, others=True)
    assert line.startswith(f"{folders['BAM', 1].path.name}/{start}")
    assert line.endswith(end)
    assert "\n" not in line


BY_ITSELF = {
    "an edited error": (
        lambda f: edit(f, "result.json", lambda t: t.replace('"error_top1": 19.1', '"error_top1": 18.1')),
        ": result.json says error 18.1 after 2 epochs, metrics.jsonl 19.1 after 2; remove this run folder to train",
    ),
    "an error edited in both": (
        lambda f: (
            edit(f, "result.json", lambda t: t.replace('"error_top1": 19.1', '"error_top1": 18.1')),
            edit(f, "metrics.jsonl", lambda t: t.replace("19.1", "18.1")),
        ),
        "/result.json: error_top1 18.1 is not that of 64720 right among 80000 (19.1); remove this run folder to train",
    ),
    "a count edited": (
        lambda f: edit(f, "result.json", lambda t: t.replace('"correct_top5": 76180', '"correct_top5": 76181')),
        "/result.json: error_top5 4.775 is not that of 76181 right among 80000 (4.77375); remove this run folder to",
    ),
    "a word for a count": (
        lambda f: edit(f, "result.json", lambda t: t.replace('"correct_top1": 64720', '"correct_top1": "many"')),
        "/result.json: edited, or written by another version (correct_top1 is 'many', not a whole number from 0 to",
    ),
    "an epoch twice": (
        lambda f: edit_lines(f, lambda line: line | {"epoch": 0}),
        "/metrics.jsonl: holds epochs 0, 0, not 0 to 1; remove this run folder to train it again",
    ),
    "an epoch's count": (
        lambda f: edit_lines(f, lambda line: line | {"correct_top1": 64720, "scored": 80000}),
        "/metrics.jsonl: epoch 0: error_top1 60.0 is not that of 64720 right among 80000 (19.1); remove this run",
    ),
    "an edited recipe": (
        lambda f: edit(f, "run.json", lambda t: t.replace('"epochs": 2', '"epochs": 3')),
        "/run.json: says key '",
    ),
    "no description": (
        lambda f: (f.path / "run.json").unlink(),
        "/run.json: no such file, beside a result.json; restore it from a copy, or remove this run folder to train",
    ),
}


@pytest.mark.parametrize("fault", BY_ITSELF)
def test_a_record_without_hashes_still_contradicts_itself(folders, fault):
    damage, line = BY_ITSELF[fault]
    forget(folders["BAM", 1])
    damage(folders["BAM", 1])
    *unproved, told = found(folders)
    assert ["has no hashes" in line for line in unproved] in ([], [True])
    assert told.startswith(f"{folders['BAM', 1].path.name}{line}")
    assert told.endswith("(made-up, row 'BAM', seed 1)")


def test_a_folder_copied_over_another_is_named(folders):
    source, target = folders["BAM", 0], folders["BAM", 1]
    shutil.rmtree(target.path)
    shutil.copytree(source.path, target.path)
    assert found(folders) == [
        f"{target.path.name}/run.json describes run {source.path.name}, expected {target.path.name}; remove a copy "
        "(made-up, row 'BAM', seed 1)"
    ]


def disguise(source, target):
    """Copy all but the description, and say the target's key."""
    for name in ("metrics.jsonl", "result.json", "manifest.json"):
        shutil.copy(source.path / name, target.path / name)
    target.note(key=target.path.name)


def test_a_copy_in_disguise_is_known_by_its_losses_though_the_hashes_are_made_anew(folders):
    """Without new hashes those of the copied manifest tell."""
    source, target = folders["BAM", 0], folders["BAM", 1]
    disguise(source, target)
    sign(target)
    assert found(folders) == [
        f"{target.path.name}/metrics.jsonl: has the losses of {source.path.name} (made-up, row 'BAM', seed 0), though "
        "the seed differs: one was copied over the other; remove both folders to train them again (made-up, row 'BAM', "
        "seed 1)"
    ]


def test_hashes_that_were_copied_along_tell_of_the_description_and_the_manifest(folders):
    disguise(folders["BAM", 0], folders["BAM", 1])
    lines = found(folders)
    assert [line.partition(":")[0].partition("/")[2] for line in lines] == ["run.json", "manifest.json"]


def test_equal_losses_at_one_seed_are_a_note(folders):
    one, other = folders["none", 0], folders["SE", 0]
    disguise(one, other)
    gates = {"layer1": {"mean": 0.5, "saturated": 0.25}}
    edit_lines(other, lambda line: line | {"gates": gates, "images_per_s": 800.5, "memory_gib": 0.25})
    sign(other)
    assert found(folders) == []
    assert notes(folders)[0] == (
        f"{other.path.name}/metrics.jsonl: has the losses of {one.path.name} (made-up, row 'none', seed 0): what sets "
        "them apart changed nothing (made-up, row 'SE', seed 0)"
    )


def test_two_studies_share_a_run_and_it_is_told_once(folders, tmp_path):
    edit(folders["BAM", 1], "metrics.jsonl", lambda text: text.replace("60.0", "61.0"))
    rows = {"plain": STUDY.rows["none"], "with": STUDY.rows["BAM"]}
    other = replace(STUDY, name="other", rows=rows, baseline="plain")
    verified = verify([STUDY, other], tmp_path / "runs")
    assert len(verified.problems) == 1
    assert len(verified.runs) == 9
    assert {record.row for record in verified.records["other"]} == {"plain", "with"}
    assert len(verified.records["other"]) == 6


def test_other_folders_are_checked_by_their_own_description(folders, tmp_path):
    root = tmp_path / "runs"
    lonely = finish(root, Run(recipe=Recipe(epochs=2), seed=77), 30.0, loss=9.0)
    interrupt(root, Run(recipe=Recipe(epochs=3)), "failed")
    assert found(folders, others=True) == []
    shutil.copytree(lonely.path, root / "keep-me")
    (root / "no-run").mkdir()
    write_object(root / "no-run" / "result.json", {})
    (root / "model").mkdir()
    for name in ("run.json", "weights.pt"):
        (root / "model" / name).write_text("{}")
    assert found(folders, others=True) == [
        f"keep-me: describes run {lonely.path.name}, which belongs in {root / lonely.path.name}: copied or renamed; "
        "remove it, or name it so".replace(f"{root}/", ""),
        "no-run/run.json: no such file; not a run folder",
    ]
    assert found(folders) == []


@pytest.mark.parametrize("left", ["result.json", "metrics.jsonl", "checkpoints"])
def test_weights_beside_a_training_do_not_make_it_a_model_folder(folders, tmp_path, left):
    root = tmp_path / "runs"
    lonely = finish(root, Run(recipe=Recipe(epochs=2), seed=77), 30.0, loss=9.0)
    (lonely.path / "checkpoints").mkdir()
    for name in {"result.json", "metrics.jsonl", "manifest.json"} - {left}:
        (lonely.path / name).unlink()
    if left != "checkpoints":
        (lonely.path / "checkpoints").rmdir()
    for folder in (lonely, folders["BAM", 1]):
        (folder.path / "weights.pt").write_text("of another network")
    said = "is no file of a training, and `bam export` and `bam inspect` would take it for the checkpoint; "
    ours, *theirs = found(folders, others=True)
    assert ours == (
        f"{folders['BAM', 1].path.name}/weights.pt: {said}remove it, or move it into a model folder of its own "
        "(made-up, row 'BAM', seed 1)"
    )
    assert len(theirs) == 1
    assert theirs[0].startswith(f"{lonely.path.name}/")
    assert (said in theirs[0]) == (left != "result.json"), "a result without a manifest is told first"


def written(folders, tmp_path, change=lambda table: None):
    root = folders["none", 0].path.parent
    table = json.loads(render(tabulate(gather(STUDY, root), STUDY), "json"))
    change(table)
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table))
    return path


def compared(folders, path):
    root = folders["none", 0].path.parent
    table = tabulate(gather(STUDY, root), STUDY)
    lines = [finding for theirs in read_tables(path) for finding in compare(theirs, table, path)]
    return [(finding.level, finding.line.replace(f"{path}: ", "")) for finding in lines]


def test_a_table_that_follows_from_the_runs(folders, tmp_path):
    assert compared(folders, written(folders, tmp_path)) == []


def test_each_number_that_does_not_is_named(folders, tmp_path):
    def change(table):
        none, bam, se = table["rows"]
        bam["mean"] = 19.0
        bam["delta"]["low"] += 1e-6
        bam["n"] = 4
        se["errors"]["3"] = 20.5
        se["verdict"] = "better"
        none["label"] = "plain"
        table["complete"] = False

    at = "(made-up, row 'BAM')"
    lines = compared(folders, written(folders, tmp_path, change))
    assert lines[0] == ("problem", "column complete: the file says false, the runs give true (made-up)")
    assert ("problem", f"column mean: the file says 19.0, the runs give 20.0 {at}") in lines
    assert ("problem", f"column n: the file says 4, the runs give 3 {at}") in lines
    assert ("problem", "column errors.3: the file says 20.5, the runs give nothing (made-up, row 'SE')") in lines
    assert ("problem", "the study has not this row (made-up, row 'plain')") in lines
    assert ("problem", "the file has not this row (made-up, row 'none')") in lines
    assert [line for level, line in lines if "delta.low" in line and level == "problem"]
    assert [line for level, line in lines if 'the file says "better", the runs give "no clear difference' in line]
    assert len(lines) == 8


def test_a_table_from_before_rows_had_notes_and_kinds_of_intervals_is_as_good(folders, tmp_path):
    def change(table):
        del table["comparisons"]
        for row in table["rows"]:
            del row["notes"], row["delta_interval"]

    assert compared(folders, written(folders, tmp_path, change)) == [
        ("note", "written by a version without comparisons, delta_interval: not compared (made-up)")
    ]


def test_a_table_from_before_intervals_held_together_has_those_of_each_row(folders, tmp_path):
    def older(table):
        for row in table["rows"]:
            row["verdict"], row["reproduced"] = "not resolved: needs about 9 more seeds", ""
            row["delta_interval"] = "95 % t" if row["delta_interval"] else ""
            for name in ("p_adjusted", "compatible", "published_delta", "compatible_delta", "best"):
                del row[name]
            if row["evidence"]:
                for end in ("low", "high"):
                    row["delta"][end] = row["evidence"].pop(f"t_{end}")

    lines = compared(folders, written(folders, tmp_path, older))
    assert [level for level, _ in lines] == ["note", "note"]
    assert lines[0][1].startswith("written before the intervals of a table held together: each row's own interval ")

    def edited(table):
        older(table)
        table["rows"][1]["delta"]["low"] -= 0.1

    lines = compared(folders, written(folders, tmp_path, edited))
    assert [line.partition(":")[0] for level, line in lines if level == "problem"] == ["column delta.low"]


def test_a_note_on_one_row_is_compared_among_those_of_its_table(folders, tmp_path):
    shutil.rmtree(folders["none", 2].path)
    told = "Δ of 'BAM' leaves out seed 2, which the baseline lacks."
    path = written(folders, tmp_path)
    data = json.loads(path.read_text())
    assert [row["notes"] for row in data["rows"]][:2] == [[], [told]]
    assert compared(folders, path) == []
    data["rows"][1]["notes"] = []
    data["notes"].remove(told)
    path.write_text(json.dumps(data))
    assert compared(folders, path) == [("note", f"other footnotes: the runs give {told!r} (made-up)")]


def test_what_is_edited_in_one_row_of_a_table_alone_is_found(folders, tmp_path):
    path = written(folders, tmp_path)
    whole = path.read_text()
    data = json.loads(whole)
    data["rows"][1]["notes"] = ["reproduced by three groups."]
    path.write_text(json.dumps(data))
    said = "other footnotes: the file says 'reproduced by three groups.'"
    assert compared(folders, path) == [("note", f"{said} (made-up)")]
    data = json.loads(whole)
    del data["rows"][1]["verdict"]
    path.write_text(json.dumps(data))
    ((level, told),) = compared(folders, path)
    assert level == "problem"
    assert told.startswith("column verdict: the file says nothing, the runs give ")


def test_a_table_of_an_older_layout_and_other_footnotes_are_notes(folders, tmp_path):
    def change(table):
        for row in table["rows"]:
            del row["sd"]
        table["notes"][0] = "n = 5."

    lines = compared(folders, written(folders, tmp_path, change))
    assert lines == [
        ("note", "written by a version without sd: not compared (made-up)"),
        (
            "note",
            "other footnotes: the file says 'n = 5.'; the runs give 'n = 3 (seeds 0 to 2) in every row.' (made-up)",
        ),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "torn or not JSON ("),
        ("3", "holds no table: it is 3: input should be a valid dictionary; write it with `bam table --format json"),
        ('{"study": "x"}', "holds no table: has no rows; write it with"),
        ('[{"study": "x", "rows": [{}]}]', "holds no table: has no rows.0.label; write it with"),
        ("[]", "holds no table; write it with"),
        ('{"study": "x", "rows": [{"label": "a"}, {"label": "b"}, {"label": "a"}]}', "has row 'a' more than once;"),
    ],
)
def test_a_file_that_is_no_table(tmp_path, text, line):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(FolderError) as error:
        read_tables(path)
    assert str(error.value).startswith(f"--table {path}: {line}")
    with pytest.raises(FolderError, match="cannot be read"):
        read_tables(tmp_path / "absent")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1, max_size=2), inner),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_two_values_have_no_differences_exactly_if_they_are_equal(old, now):
    """JSON text is the oracle: Python takes 1 for True."""
    same = json.dumps(old, sort_keys=True) == json.dumps(now, sort_keys=True)
    assert (list(differences(old, now)) == []) == same
    turned = [(column, theirs, ours) for column, ours, theirs in differences(now, old)]
    assert sorted(turned, key=repr) == sorted(differences(old, now), key=repr)


@given(st.integers(1, 10_000), st.data())
def test_an_error_is_that_of_its_counts_and_of_no_other(scored, data):
    correct = data.draw(st.integers(0, scored))
    other = data.draw(st.integers(0, scored))
    figures = {"scored": scored, "correct_top1": correct, "error_top1": 100 * (scored - correct) / scored}
    assert miscount(figures) is None
    assert (miscount(figures | {"correct_top1": other}) is None) == (other == correct)
    assert miscount(figures | {"correct_top1": -1, "error_top1": 100 * (scored + 1) / scored})


def test_unfinished_runs_are_no_problem(tmp_path):
    interrupt(tmp_path, STUDY.runs()[0].run, "failed")
    RunFolder.of(tmp_path, STUDY.runs()[1].run).describe(STUDY.runs()[1].run)
    verified = verify([STUDY], tmp_path, others=True)
    assert verified.findings == []
    assert [run.record.state for run in verified.runs[:3]] == ["failed", "missing", "missing"]
