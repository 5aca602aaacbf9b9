"""`--from wandb:...`: the table from a server's stored data alone, and what is said where run folders disagree."""

from __future__ import annotations

import copy
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.cli import main
from lightning_bam.run_folder.files import read_object
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.hashes import CHECKPOINT, hashes
from lightning_bam.run_folder.result import Result
from studies.library import find_study
from studies.tracking import remote
from tests.analysis.cli.conftest import TINY
from tests.studies.tracking.conftest import wandb_server  # noqa: F401  a fixture

STUDY = TINY.replace(
    '"BAM": replace(base, attention=BAMSpec(reduction=4, dilation=1))',
    '"BAM": replace(base, attention=BAMSpec(reduction=4, dilation=1)), '
    '"wild": replace(base, recipe=replace(base.recipe, lr=1e30)), '
    '"long": replace(base, recipe=replace(base.recipe, epochs=5000))',
).replace('("attention",)', '("attention", "recipe.lr", "recipe.epochs")')
OTHER = TINY.replace('"tiny"', '"other"').replace('"BAM"', '"ECA"')
OTHER = OTHER.replace("BAMSpec(reduction=4, dilation=1)", "ECASpec()").replace("BAMSpec", "ECASpec")
RULED = TINY.replace('"tiny"', '"ruled"').replace('schedule="cosine"', 'schedule="cosine", lr=0.05')
KEPT = []
PROJECT = "wandb:lab/lightning-bam"
FROM = ["--from", PROJECT]


def interrupt_the_long_run(words):
    """Send Ctrl-C to a call once it trains the run of 5000 epochs."""
    with subprocess.Popen([sys.executable, "-m", "analysis.cli", *words], stderr=subprocess.PIPE) as call:
        long, until = RunFolder.of(Path("runs"), find_study("tiny.py").rows["long"]), time.monotonic() + 180
        while not long.has_checkpoint:
            assert time.monotonic() < until
            time.sleep(0.1)
        call.send_signal(signal.SIGINT)
        assert call.wait() == 130, call.stderr.read()


def called(*calls):
    """Call `bam` once after the other, and return the exit codes.

    The process is another: a fork server of this one may be older than the server that is told.
    """
    code = "import json, sys; from analysis.cli import main; print([main(words) for words in json.loads(sys.argv[1])])"
    done = subprocess.run([sys.executable, "-c", code, json.dumps(calls)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def train(home, monkeypatch):
    monkeypatch.chdir(home)
    for name, text in {"tiny.py": STUDY, "other.py": OTHER, "ruled.py": RULED}.items():
        Path(name).write_text(text)
    online = ["--devices", "cpu:2", "--wandb", "online"]
    tiny, other, ruled = called(
        ["run", "tiny.py", "--only", "row=BAM", "--only", "row=wild", "--seeds", "3", *online],
        ["run", "other.py", *online],
        ["run", "ruled.py", "--until-resolved", "--looks", "2,3", *online],
    )
    assert (tiny, other) == (1, 0)
    assert ruled in (0, 1), "whether its rows are told apart by the last look is no matter here"
    interrupt_the_long_run(["run", "tiny.py", "--only", "row=long", "--seeds", "1", *online])


@pytest.fixture
def server(wandb_server, tmp_path, tmp_path_factory, monkeypatch):  # noqa: F811
    """Be in a copy of a folder whose runs a server has been told of; they are trained once."""
    parts = ("runs", "artifacts", "blobs", "projects")
    if not KEPT:
        home = tmp_path_factory.mktemp("trained")
        train(home, monkeypatch)
        assert wandb_server.unknown == []
        shutil.rmtree(tmp_path / "wandb_home" / "lab", ignore_errors=True)
        KEPT.append((home, {part: copy.deepcopy(getattr(wandb_server, part)) for part in parts}))
    home, stored = KEPT[0]
    for part, content in copy.deepcopy(stored).items():
        setattr(wandb_server, part, content)
    shutil.copytree(home, tmp_path / "user")
    monkeypatch.chdir(tmp_path / "user")
    wandb_server.requests.clear()
    yield wandb_server
    assert wandb_server.unknown == []


def out(capsys, *words, code=0):
    assert main(["table", *words]) == code
    return capsys.readouterr()


GAP = f"bam: tiny: runs that {PROJECT} has without a record yet: 1 interrupted\n"


@pytest.mark.parametrize(
    "words",
    [
        ["tiny.py", "--format", "csv"],
        ["other.py", "--format", "csv"],
        ["tiny.py", "other.py", "--format", "csv"],
        ["tiny.py", "--seeds", "3", "--format", "csv"],
        ["tiny.py", "--only", "row=wild", "--notes", "all"],
    ],
)
def test_the_table_is_the_same_from_stored_data_alone(server, capsys, tmp_path, words):
    """Of a study with a failed run, an interrupted one, an extra seed; and of one that shares its baseline."""
    here = out(capsys, *words)
    shutil.rmtree("runs")
    before = sorted(Path().rglob("*"))
    there = out(capsys, *words, *FROM)
    assert there.out == here.out
    assert there.err == (GAP if "tiny.py" in words and "--only" not in words else "")
    assert sorted(Path().rglob("*")) == before, "nothing is written"
    assert not (tmp_path / "wandb_home" / "lab").exists(), "nor by W&B, which makes a folder of each run that it lists"


@pytest.mark.parametrize("form", [["--format", "json"], ["--runs"], ["--cost"], ["--against", "ECA"]])
def test_of_a_study_whose_runs_are_complete_all_else_is_the_same_too(server, capsys, form):
    here = out(capsys, "other.py", *form)
    shutil.rmtree("runs")
    there = out(capsys, "other.py", *form, *FROM)
    assert (there.out, there.err) == (here.out, "")


def test_an_extra_seed_and_a_shared_baseline_are_seen(server, capsys):
    shutil.rmtree("runs")
    table = json.loads(out(capsys, "tiny.py", "--format", "json", *FROM).out)
    assert table["unlisted"]["seeds"] == [2]
    assert [row["states"] for row in table["rows"]] == [{}, {}, {"failed": 2}, {"interrupted": 1, "missing": 1}]
    for run in server.runs.values():  # as long as nobody has told W&B that they are the other study's, too
        run.tags = [tag for tag in run.tags if run.job_type != "none" or tag != "study:other"]
    other = json.loads(out(capsys, "other.py", "--format", "json", *FROM).out)
    assert other["rows"][0]["n"] == 2


def test_a_study_of_which_the_project_has_nothing_is_said_to_be_missing(server, capsys):
    there = out(capsys, "other.py", "--set", "recipe.lr=0.3", "--runs", "--strict", *FROM, code=3)
    assert there.err == f"bam: other+recipe.lr=0.3: {PROJECT} has none of its 4 runs\n"


def test_the_end_of_a_failure_is_told(server, capsys):
    """Its record is logged before the scheduler notes when it ended."""
    shutil.rmtree("runs")
    told = json.loads(out(capsys, "tiny.py", "--only", "row=wild", "--format", "json", *FROM).out)
    assert [row["states"] for row in told["rows"]] == [{}, {"failed": 2}]
    assert told["costs"]["spent"]["untold"] == 0


def test_a_stopping_rule_stands_in_the_runs_folder(server, capsys):
    here = out(capsys, "ruled.py", "--format", "csv")
    for folder in Path("runs").iterdir():
        if folder.name != "rules":
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    there = out(capsys, "ruled.py", "--format", "csv", *FROM)
    assert (there.out, there.err) == (here.out, "")
    declared = json.loads(Path("runs/rules/ruled.json").read_text())["declared"]
    Path("runs/rules/ruled.json").unlink()
    there = out(capsys, "ruled.py", *FROM, code=2)
    assert there.out == ""
    assert there.err.partition(" of its")[2] == (
        f" runs in W&B were begun under a stopping rule (declared {declared}), and runs/rules/ruled.json is not there: "
        "give the --root, or the --storage, that has it\n"
    )


def test_who_agrees_is_told_so(server, capsys):
    assert out(capsys, "other.py", *FROM, "--strict").err == f"bam: other: {PROJECT} and runs agree about all 4 runs\n"
    assert out(capsys, "tiny.py", *FROM).err == GAP + f"bam: tiny: {PROJECT} and runs agree about all 7 runs\n"
    run = find_study("other.py").rows["ECA"]
    server.runs[f"lab/lightning-bam/{run.key}"].raw_config["seed"]["value"] = 5
    told = out(capsys, "other.py", *FROM, "--strict", code=3)
    assert told.err == f"bam: other: run {run.key} ('ECA', seed 0): config seed 5 in W&B, 0 in run.json\n"


def test_where_they_disagree_is_told_run_by_run(server, capsys):
    study = find_study("other.py")
    cells = {(row, run.seed): run for row, run in study.runs()}
    keys = {cell: f"lab/lightning-bam/{run.key}" for cell, run in cells.items()}
    server.runs[keys["none", 0]].raw_config["recipe"]["value"]["lr"] = 0.2
    del server.runs[keys["none", 1]]
    history = server.runs[keys["ECA", 0]].lines["wandb-history.jsonl"]
    history[7] = history[1]
    shutil.rmtree(Path("runs", cells["ECA", 1].key))
    told = out(capsys, "other.py", *FROM, "--strict", code=3)
    lines = (
        f"{cells['none', 0].key} ('none', seed 0): config recipe.lr 0.2 in W&B, 0.1 in run.json",
        f"{cells['ECA', 0].key} ('ECA', seed 0): history in W&B has epoch 2 more than once",
        f"{cells['none', 1].key} ('none', seed 1): complete here, not in W&B",
        f"{cells['ECA', 1].key} ('ECA', seed 1): complete in W&B, not here",
    )
    assert told.err == "".join(f"bam: other: run {line}\n" for line in lines)
    assert out(capsys, "other.py", *FROM).out == told.out, "without --strict the exit code is 0"


def test_a_retried_run_is_not_taken_for_failed(server, capsys):
    (run,) = [run for row, run in find_study("tiny.py").runs() if (row, run.seed) == ("wild", 1)]
    server.runs[f"lab/lightning-bam/{run.key}"].state = "running"
    told = out(capsys, "tiny.py", "--format", "json", *FROM)
    assert json.loads(told.out)["rows"][2]["states"] == {"failed": 1, "running": 1}
    assert told.err.splitlines() == [
        GAP.strip() + ", 1 running",
        f"bam: tiny: run {run.key} ('wild', seed 1): running in W&B, failed here",
    ]


def test_a_record_that_was_edited_counts_as_not_trained(server, capsys):
    study = find_study("other.py")
    (run,) = [run for row, run in study.runs() if (row, run.seed) == ("ECA", 1)]
    (artifact,) = [one for one in server.artifacts if one.collection == f"run-{run.key}"]
    record = json.loads(artifact.files["record.json"])
    figure = record["result.json"]["error_top1"]
    record["result.json"]["error_top1"] = 0.0
    record["metrics.jsonl"] = record["metrics.jsonl"].replace(f'"error_top1": {figure}', '"error_top1": 0.0')
    artifact.files["record.json"] = json.dumps(record).encode()
    shutil.rmtree("runs")
    told = out(capsys, "other.py", "--format", "json", "--strict", *FROM, code=3)
    assert told.err == (
        f"bam: other: records of {PROJECT} that are refused, so that their runs count as not trained: 1 (as {run.key}, "
        "'ECA', seed 1: edited: its hashes are of other files)\n"
    )
    assert json.loads(told.out)["rows"][1]["states"] == {"missing": 1}


def test_a_record_that_was_made_of_another_is_told_by_where_it_is(server, capsys, tmp_path):
    cells = {(row, run.seed): run for row, run in find_study("other.py").runs()}
    first, second = (
        next(one for one in server.artifacts if one.collection == f"run-{cells['ECA', seed].key}") for seed in (0, 1)
    )
    record, run = json.loads(first.files["record.json"]), cells["ECA", 1]
    folder = RunFolder(tmp_path / run.key)
    folder.describe(run)
    (folder.path / "metrics.jsonl").write_text(record["metrics.jsonl"])
    folder.note(
        **{name: entry for name, entry in record["manifest.json"].items() if name != "sha256"} | {"key": run.key}
    )
    digests = hashes(folder, Result.of(record["result.json"])) | {CHECKPOINT: "0" * 64}
    folder.note(sha256=digests)
    record |= {"run.json": read_object(folder.at("run.json")), "manifest.json": dict(folder.manifest().entries)}
    second.files["record.json"] = json.dumps(record).encode()
    shutil.rmtree("runs")
    told = out(capsys, "other.py", *FROM, code=2)
    assert told.out == ""
    assert told.err.startswith(
        f"bam: {PROJECT}/{run.key} ('ECA', seed 1): metrics.jsonl is identical to that of "
        f"{PROJECT}/{cells['ECA', 0].key} ('ECA', seed 0)"
    )


@pytest.mark.parametrize(
    "text", ["", "wandb:", "lab/p", "wandb:lab", "wandb:lab/p/q", "wandb:/p", "wandb:la%b/p", "https://wandb.ai/lab/p"]
)
def test_what_names_no_project_is_refused(text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = f"bam: --from {text!r}: give wandb:ENTITY/PROJECT, as the address of its page has them\n"
    assert out(capsys, "quickstart", "--from", text, code=2) == ("", line)


NO_PROJECT = "no such project, or none that this login may read; the address of its page has ENTITY/PROJECT"


@pytest.mark.parametrize(
    ("project", "fault", "wrong"),
    [
        ("lab/p", lambda server: None, NO_PROJECT),
        ("other/lightning-bam", lambda server: None, NO_PROJECT),
        ("lab/lightning-bam", lambda server: server.hang(), "no answer from {url} within 6 s"),
        ("lab/lightning-bam", lambda server: server.hang(after=9), "no answer from {url} within 6 s"),
        ("lab/lightning-bam", lambda server: server.hang(only="blob"), "no answer from {url} within 6 s"),
        ("lab/lightning-bam", lambda server: server.die(), "no answer from {url} within 6 s"),
        (
            "lab/lightning-bam",
            lambda server: server.refuse(403, only="Runs"),
            '{url}: returned error 403: {{"data":null}}',
        ),
        (
            "lab/lightning-bam",
            lambda server: server.refuse(503, only="blob"),
            "{url}: HTTP Error 503: Service Unavailable",
        ),
    ],
)
def test_what_w_and_b_does_not_give_is_told_in_a_line(server, capsys, monkeypatch, project, fault, wrong):
    monkeypatch.setattr(remote, "WAIT", 6.0)  # answers that do come take a second or two on a busy machine
    monkeypatch.setattr(remote, "PAUSES", (0.1,))
    fault(server)
    began = time.monotonic()
    told = out(capsys, "other.py", "--from", f"wandb:{project}", code=2)
    assert time.monotonic() - began < 40
    server.recover()
    texts = {"url": server.url, "refused": '{"data":null}', "unavailable": "Service Unavailable"}
    assert told == ("", f"bam: --from wandb:{project}: {wrong.format(**texts)}\n")


def test_who_is_not_logged_in_is_told_so(server, capsys, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY")
    told = out(capsys, "other.py", *FROM, code=2)
    assert told == ("", f"bam: --from {PROJECT}: not logged in to {server.url}; `wandb login` does that\n")
    assert server.requests == []
