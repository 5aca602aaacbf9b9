"""What a server gives back of a study's runs is written where it is theirs, and refused where it is not."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest

from studies.engine.run_study import run_study
from studies.engine.scheduler import Options
from studies.errors import StudyError
from studies.job.devices import Slot
from studies.job.observer import End
from studies.records.records import gather
from studies.tracking import remote
from studies.tracking.description import config_of
from studies.tracking.record import record_of_end
from studies.tracking.remote import Project, fetch, in_parallel
from tests.studies.conftest import silent, tiny
from tests.studies.tracking.stored import StubArtifact, StubRun

PROJECT = Project("lab", "p")
OTHER = tiny(name="other", rows={"none": tiny().rows["none"]}, scientific=(), seeds=1)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    run_study(tiny(seeds=1), root, Options(slots=[Slot(1), Slot(1)], wandb="off"), silent)
    return root


class Told:
    """What a server has been told of a study: W&B's runs and their records, by row."""

    def __init__(self, server, home):
        self.server, self.runs, self.artifacts, self.keys = server, {}, {}, {}
        server.projects.append(tuple(PROJECT))
        for record in gather(tiny(seeds=1), home):
            run = StubRun(*PROJECT, record.run.key, tags=["study:tiny"], state="finished")
            run.raw_config = {"_wandb": {"value": {}}}
            run.raw_config |= {name: {"value": value} for name, value in config_of(record.run).items()}
            server.runs[f"lab/p/{run.id}"] = self.runs[record.row] = run
            self.keys[record.row] = record.run.key
            self.artifacts[record.row] = self.log(run, record_of_end(record.folder, End(state="complete")))

    def log(self, run, record, name=None, version=0):
        artifact = StubArtifact(*PROJECT, "run-record", f"run-{name or run.id}", "", run)
        artifact.version, artifact.state = version, "COMMITTED"
        put(artifact, record)
        run.logged.append(artifact)
        self.server.artifacts.append(artifact)
        return artifact

    def record(self, row):
        return json.loads(self.artifacts[row].files["record.json"])


def put(artifact, record):
    content = record if isinstance(record, bytes) else json.dumps(record).encode()
    artifact.files["record.json"], artifact.digest = content, hashlib.md5(content).hexdigest()


@pytest.fixture
def told(wandb_server, home):
    yield Told(wandb_server, home)
    assert wandb_server.unknown == []


@pytest.fixture
def fetched(tmp_path):
    """Fetch a study into `there`; locks are held to the end of the test."""
    with ExitStack() as held:
        (tmp_path / "there").mkdir()
        yield lambda *studies: fetch(PROJECT, studies or [tiny(seeds=1)], tmp_path / "there", held)


def files(path):
    return sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.is_file() and one.name != "lock")


def test_records_are_written_as_they_were(told, fetched, home, tmp_path):
    runs = fetched()
    assert set(runs) == set(told.keys.values())
    assert {(one.state, one.has_record, one.refused) for one in runs.values()} == {("finished", True, "")}
    for key in told.keys.values():
        for name in ("run.json", "manifest.json", "metrics.jsonl", "result.json"):
            assert (tmp_path / "there" / key / name).read_bytes() == (home / key / name).read_bytes()
    asked = [request.split()[-1] for request in told.server.requests]
    assert {name: asked.count(name) for name in ("Runs", "RunOutputArtifacts", "ArtifactMembershipFiles")} == {
        "Runs": 1,
        "RunOutputArtifacts": 2,
        "ArtifactMembershipFiles": 2,
    }
    assert sum("blob" in request for request in told.server.requests) == 2


def test_a_run_of_another_study_is_found_by_its_key(told, fetched, tmp_path):
    assert list(fetched(OTHER)) == [told.keys["none"]]
    assert [record.state for record in gather(OTHER, tmp_path / "there")] == ["complete"]


def test_a_run_that_the_study_has_not_is_there_beside_it(told, fetched, tmp_path):
    part = tiny(seeds=1, rows={"none": tiny().rows["none"]}, scientific=())
    assert set(fetched(part)) == set(told.keys.values())
    assert (tmp_path / "there" / told.keys["BAM"] / "result.json").exists()


def edited(name, **changes):
    def edit(record):
        record[name] |= changes
        return record

    return edit


def result_and_metrics(record):
    """Change the figure everywhere but in the hashes."""
    last = json.dumps(record["result.json"]["error_top1"])
    text = json.dumps(record["metrics.jsonl"].replace(f'"error_top1": {last}', '"error_top1": 1.5'))
    return {**record, "result.json": record["result.json"] | {"error_top1": 1.5}, "metrics.jsonl": json.loads(text)}


def deep(record):
    return b'{"run.json": ' + b"[" * 10**5 + b"]" * 10**5 + b"}"


NONE = "no record of a run"
WRONG = "not what the training of this run writes"
EDITED = "edited: its hashes are of other files"


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (lambda record: b"{", NONE),
        (lambda record: b"[]", NONE),
        (lambda record: b"\xff\xfe", NONE),
        (deep, NONE),
        (lambda record: {"run.json": record["run.json"]}, NONE),
        (lambda record: json.dumps(record).replace("0.1", "NaN").encode(), NONE),
        (lambda record: record | {"../evil.json": {}}, WRONG),
        (lambda record: record | {"rank0.log": "hello"}, WRONG),
        (lambda record: record | {"code": {"evil.py": "import os"}}, WRONG),
        (lambda record: record | {"metrics.jsonl": record["metrics.jsonl"] * 2}, WRONG),
        (lambda record: record | {"metrics.jsonl": ""}, WRONG),
        (lambda record: record | {"result.json": None}, WRONG),
        (edited("run.json", key="0" * 16), WRONG),
        (edited("result.json", error_top1=0.0), WRONG),
        (edited("result.json", error_top1=[]), WRONG),
        (edited("manifest.json", key="0" * 16), WRONG),
        (edited("result.json", params=1), EDITED),
        (result_and_metrics, EDITED),
        (edited("manifest.json", sha256=None), EDITED),
        (edited("manifest.json", commit="another"), EDITED),
        (edited("manifest.json", studies={"tiny": {"row": "none"}}), EDITED),
    ],
)
def test_a_record_that_no_training_wrote_is_refused(told, fetched, tmp_path, change, refused):
    put(told.artifacts["BAM"], change(told.record("BAM")))
    runs = fetched()
    assert (runs[told.keys["BAM"]].refused, runs[told.keys["BAM"]].has_record) == (refused, False)
    assert runs[told.keys["none"]].has_record
    assert {name.partition("/")[0] for name in files(tmp_path / "there")} == {told.keys["none"]}
    assert [record.state for record in gather(tiny(seeds=1), tmp_path / "there")] == ["complete", "missing"]


def test_the_record_of_another_run_is_refused(told, fetched):
    put(told.artifacts["BAM"], told.record("none"))
    assert fetched()[told.keys["BAM"]].refused == WRONG


def test_a_record_that_is_too_large_is_not_asked_for(told, fetched, monkeypatch):
    monkeypatch.setattr(remote, "LARGEST", 2**20)
    put(told.artifacts["BAM"], b" " * (2**20 + 1))
    assert fetched()[told.keys["BAM"]].refused == "larger than 1 MiB"
    assert sum("blob" in request for request in told.server.requests) == 1


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        (lambda keep, content: keep(content + b" " * 10**6), "not of {size} bytes, as W&B has it"),
        (lambda keep, content: keep(content[:-1]), "not of {size} bytes, as W&B has it"),
        (lambda keep, content: "file:///etc/passwd", "stored elsewhere than in W&B"),
        (lambda keep, content: "s3://bucket/record.json", "stored elsewhere than in W&B"),
        (lambda keep, content: keep(content) + "0", "gone"),
    ],
)
def test_a_file_that_is_not_what_the_server_says_is_refused(told, fetched, monkeypatch, address, refused):
    keep, size = told.server.keep, len(told.artifacts["BAM"].files["record.json"])
    monkeypatch.setattr(told.server, "keep", lambda content: address(keep, content))
    assert fetched()[told.keys["BAM"]].refused == refused.format(size=size)
    told.server.unknown.clear()


class Endless:
    """An answer that goes on and on."""

    def __init__(self):
        self.read = 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def read1(self, most):
        self.read += most
        assert self.read < 2**20, "read on, though it is longer than the server said"
        return b" " * most


def test_a_file_that_does_not_end_is_not_read_on(told, fetched, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: Endless())
    runs = fetched()
    assert {one.refused.partition(" of ")[0] for one in runs.values()} == {"not"}


@pytest.fixture
def stranger(told):
    """Return a run of W&B that has the study's tag and the id of no run of it."""
    run = StubRun(*PROJECT, "f" * 16, tags=["study:tiny"], state="finished")
    run.raw_config = {"_wandb": {"value": {}}}
    told.server.runs[f"lab/p/{run.id}"] = run
    return run


def test_only_a_run_itself_can_log_its_record(told, fetched, tmp_path, stranger):
    told.log(stranger, b"no record", name=told.keys["BAM"], version=1)
    told.log(told.runs["BAM"], b"no record", name=told.keys["none"], version=1)
    runs = fetched()
    assert runs[told.keys["BAM"]].has_record
    assert (runs[stranger.id].has_record, runs[stranger.id].refused) == (False, "")
    told.log(stranger, told.record("BAM"))
    assert fetched()[stranger.id].refused == WRONG
    assert {name.partition("/")[0] for name in files(tmp_path / "there")} == set(told.keys.values())


def test_a_run_whose_id_is_no_key_is_passed_over(told, fetched, tmp_path):
    for name in ("analysis-12345678", "..", "../../evil"):
        run = StubRun(*PROJECT, name, tags=["study:tiny"], state="finished")
        run.raw_config = {"_wandb": {"value": {}}}
        told.log(run, told.record("BAM"))
        told.server.runs[f"lab/p/{name}"] = run
    assert set(fetched()) == set(told.keys.values())
    assert {name.partition("/")[0] for name in files(tmp_path / "there")} == set(told.keys.values())


@pytest.mark.parametrize("summary", ["[1]", "1", '"x"', "{"])
def test_a_run_whose_summary_is_no_object_has_none(told, fetched, monkeypatch, summary):
    """What W&B's client makes of it ends the list of all runs."""
    answer = told.server.answers.run
    broken = told.runs["BAM"]
    broken.logged.clear()
    monkeypatch.setattr(
        told.server.answers, "run", lambda run: answer(run) | ({"summaryMetrics": summary} if run is broken else {})
    )
    runs = fetched()
    assert runs[told.keys["none"]].has_record
    config = {} if summary == "{" else broken.config  # what is no JSON takes it along
    assert (runs[broken.id].state, runs[broken.id].config) == ("finished", config)


def test_the_newest_record_counts(told, fetched):
    told.log(told.runs["BAM"], b"no record", version=9)
    told.log(told.runs["BAM"], told.record("BAM"), version=10)
    assert fetched()[told.keys["BAM"]].has_record


def test_a_run_with_code_of_the_users_own_has_a_record_without_it(told, fetched):
    put(told.artifacts["BAM"], edited("manifest.json", code="0123456789abcdef")(told.record("BAM")))
    assert fetched()[told.keys["BAM"]].has_record


@pytest.mark.parametrize(
    ("state", "summary", "standing", "here"),
    [
        ("running", {}, "running", "running"),
        ("running", {"state": "interrupted"}, "running", "running"),
        ("crashed", {}, "crashed", "interrupted"),
        ("killed", {"state": "failed"}, "killed", "interrupted"),
        ("failed", {"state": "interrupted"}, "interrupted", "interrupted"),
        ("finished", {"state": "pruned"}, "pruned", "pruned"),
        ("finished", {"state": "complete"}, "finished", "missing"),
        ("finished", {"state": [[]]}, "finished", "missing"),
        ("no\nstate", {}, "unknown", "interrupted"),
    ],
)
def test_a_run_without_a_record_stands_where_w_and_b_has_it(told, fetched, tmp_path, state, summary, standing, here):
    run = told.runs["BAM"]
    run.logged.clear()
    run.state, run.lines["wandb-summary.json"] = state, {0: json.dumps(summary)}
    assert replace(fetched()[run.id], _run=None) == remote.RemoteRun(
        key=run.id, state=standing, config=run.config, _run=None
    )
    assert [record.state for record in gather(tiny(seeds=1), tmp_path / "there")] == ["complete", here]


@pytest.mark.parametrize(("state", "counts"), [("failed", True), ("running", False), ("crashed", False)])
def test_the_record_of_a_failure_counts_until_another_attempt(told, fetched, tmp_path, state, counts):
    run = told.runs["BAM"]
    manifest = {"key": run.id, "state": "failed", "cause": "nan", "error": "loss is nan"}
    put(told.artifacts["BAM"], told.record("BAM") | {"result.json": None, "manifest.json": manifest})
    run.state = state
    assert (fetched()[run.id].has_record, fetched()[run.id].refused) == (counts, "")
    assert (gather(tiny(seeds=1), tmp_path / "there")[1].state == "failed") is counts


def test_w_and_b_makes_no_folder_of_a_run(told, fetched, tmp_path):
    fetched()
    assert not (tmp_path / "wandb_home" / "lab").exists()


def test_once_a_request_has_failed_no_other_begins():
    begun = []

    def ask(item):
        begun.append(item)
        time.sleep(0.2)
        raise TimeoutError

    with pytest.raises(StudyError, match="^--from wandb:lab/p: no answer from https://.* within 20 s$"):
        in_parallel(PROJECT, ask, range(100))
    assert sorted(begun) == list(range(remote.THREADS))
