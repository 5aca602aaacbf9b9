"""The stub is a server to W&B's real client: what it is told it has, and what it is asked it answers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
import wandb

from tests.studies.tracking.conftest import until

CONFIG = {"attention": {"name": "bam", "reduction": 16}, "recipe": {"lr": 0.1}, "seed": 3}


@pytest.fixture
def server(wandb_server):
    yield wandb_server
    assert wandb_server.unknown == []


def begin(**told):
    return wandb.init(**{"project": "p", "id": "one", "resume": "allow", "mode": "online"} | told)


def log(run, *epochs):
    for epoch in epochs:
        run.log({"epoch": epoch, "test/loss": 1 / (1 + epoch)}, step=epoch)


def fetched(path="lab/p/one"):
    return wandb.Api().run(path)


def test_a_run_is_there_as_it_was_told(server):
    told = {
        "group": "tiny",
        "job_type": "bam",
        "tags": ["digits", "tiny"],
        "notes": "Does it help?",
        "name": "a / seed 3",
    }
    with begin(config=CONFIG, **told) as run:
        run.define_metric("test/loss", summary="min")
        log(run, 0, 1, 2)
        run.log({"test/loss": 5.0}, step=3)
        run.summary["best"] = 0.25
        print("first line\nsecond line")
    (found,) = server.runs.values()
    assert (found.entity, found.project, found.id, found.config) == ("lab", "p", "one", CONFIG)
    assert (found.group, found.job_type, found.tags) == ("tiny", "bam", ["digits", "tiny"])
    assert (found.notes, found.display_name) == ("Does it help?", "a / seed 3")
    assert [line["_step"] for line in found.history] == [0, 1, 2, 3]
    assert [line["test/loss"] for line in found.history] == [1, 1 / 2, 1 / 3, 5]
    assert (found.summary["test/loss"], found.summary["best"]) == ({"min": 1 / 3}, 0.25)
    assert found.console[-2:] == ["first line", "second line"]
    assert found.system[-1]["system.proc.memory.percent"] > 0
    assert (found.state, found.exit_code) == ("finished", 0)
    assert {"config.yaml", "output.log", "wandb-metadata.json"} <= found.files.keys()


def test_a_run_that_fails_says_so(server):
    run = begin()
    assert server.runs["lab/p/one"].state == "running"
    run.finish(exit_code=7)
    assert (server.runs["lab/p/one"].state, server.runs["lab/p/one"].exit_code) == ("failed", 7)


def test_a_run_is_resumed_where_the_server_has_it(server):
    with begin(config=CONFIG, tags=["old"]) as run:
        print("before")
        log(run, 0, 1)
    with begin(config={"more": 1}) as run:
        assert (run.resumed, run.starting_step, run.config["seed"], run.tags) == (True, 2, 3, ("old",))
        assert run.summary["test/loss"] == 0.5
        assert server.runs["lab/p/one"].state == "running"
        print("after")
        log(run, 1, 2, 3)
    (found,) = server.runs.values()
    assert [line["_step"] for line in found.history] == [0, 1, 2, 3], "the client leaves out what the server has"
    assert found.config == CONFIG | {"more": 1}
    assert [line for line in found.console if line in {"before", "after"}] == ["before", "after"]
    assert len(found.system) >= 2


def test_a_line_that_is_sent_twice_is_there_once(server):
    """As when the answer to a request does not arrive."""
    begin().finish()
    part = {"offset": 0, "content": ['{"_step": 0, "epoch": 0}']}
    body = json.dumps({"files": {"wandb-history.jsonl": part}}).encode()
    for _ in range(2):
        urlopen(Request(server.url + "/files/lab/p/one/file_stream", body)).close()
    assert server.runs["lab/p/one"].history == [{"_step": 0, "epoch": 0}]


def test_an_unknown_run_cannot_be_resumed(server):
    with pytest.raises(wandb.errors.UsageError, match="has not been initialized"):
        begin(resume="must")


def test_files_and_media_are_uploaded(server, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"\x00\x01")
    picture = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 0, 0]]]
    table = wandb.Table(columns=["row", "mean"], data=[["none", 0.5], ["bam", 0.25]])
    with begin() as run:
        run.save(tmp_path / "weights.bin", base_path=tmp_path, policy="now")
        chart = wandb.plot.line_series(xs=[0, 1], ys=[[1, 2], [3, 4]], keys=["a", "b"], title="curves")
        html = wandb.Html("<p>hello</p>", inject=False)
        image = wandb.Image(__import__("numpy").array(picture, dtype="uint8"))
        run.log({"table": table, "image": image, "page": html, "curves": chart})
    found = server.runs["lab/p/one"]
    assert found.files["weights.bin"] == b"\x00\x01"
    line = found.history[0]
    assert json.loads(found.files[line["table"]["path"]])["data"] == [["none", 0.5], ["bam", 0.25]]
    assert found.files[line["image"]["path"]].startswith(b"\x89PNG")
    assert found.files[line["page"]["path"]] == b"<p>hello</p>"
    shown = found.raw_config["_wandb"]["value"]["visualize"]
    assert shown["curves"]["panel_config"]["panelDefId"] == "wandb/lineseries/v0"
    assert {(logged.type, logged.state) for logged in found.logged} == {("run_table", "COMMITTED")}
    read = next(each for each in fetched().logged_artifacts() if each.name.startswith("run-one-table:")).get("table")
    assert (read.columns, read.data) == (["row", "mean"], [["none", 0.5], ["bam", 0.25]])


def test_artifacts_have_versions_and_lineage(server, tmp_path):
    weights = tmp_path / "weights.bin"
    for identity, content in (("one", b"old"), ("two", b"new"), ("three", b"new")):
        weights.write_bytes(content)
        with begin(id=identity) as run:
            artifact = wandb.Artifact("net", type="model", metadata={"n": 1}, description="a net")
            artifact.add_file(str(weights))
            run.log_artifact(artifact, aliases=["best"]).wait()
    with begin(id="reader", job_type="analysis") as run:
        used = run.use_artifact("net:v0")
        assert (tmp_path / "there").joinpath(used.download(tmp_path / "there"), "weights.bin").read_bytes() == b"old"
    old, new = server.artifacts
    assert (old.name, old.files, old.aliases) == ("net:v0", {"weights.bin": b"old"}, set())
    assert (new.name, new.files, new.aliases) == ("net:v1", {"weights.bin": b"new"}, {"latest", "best"})
    assert (new.type, new.metadata, new.description) == ("model", {"n": 1}, "a net")
    assert [run.id for run in old.used_by] == ["reader"]
    api = wandb.Api()
    assert [each.name for each in api.run("lab/p/three").logged_artifacts()] == ["net:v1"]
    assert [each.name for each in api.run("lab/p/reader").used_artifacts()] == ["net:v0"]
    latest = api.artifact("lab/p/net:latest")
    assert (latest.version, latest.logged_by().id, latest.metadata) == ("v1", "two", {"n": 1})
    assert [run.id for run in api.artifact("lab/p/net:v0").used_by()] == ["reader"]
    assert [(file.name, file.size) for file in latest.files()] == [("weights.bin", 3)]
    assert [each.version for each in api.artifacts("model", "lab/p/net")] == ["v1", "v0"]


def test_the_public_api_reads_runs(server, tmp_path):
    for identity, kind, seed in (("a", "none", 0), ("b", "bam", 0), ("c", "bam", 1)):
        told = {"group": "tiny", "job_type": kind, "tags": ["tiny", f"seed{seed}"], "config": CONFIG | {"seed": seed}}
        with begin(id=identity, **told) as run:
            log(run, 0, 1, 2)
    wandb.init(project="p", id="d", mode="online").finish(exit_code=1)
    api = wandb.Api()

    def names(**filters):
        return [run.id for run in api.runs("lab/p", filters=filters)]

    assert names() == ["a", "b", "c", "d"]
    assert names(tags={"$in": ["seed1", "no"]}) == names(tags="seed1") == ["c"]
    assert names(jobType="bam", group="tiny") == ["b", "c"]
    assert names(**{"config.seed.value": 0}) == names(**{"config.seed": 0}) == ["a", "b"]
    assert names(**{"config.attention.value.name": "bam", "state": "finished"}) == ["a", "b", "c"]
    assert names(**{"$or": [{"name": "a"}, {"summary_metrics.epoch": {"$lt": 1}}]}) == ["a"]
    pages = wandb.Api().runs("lab/p", per_page=2)  # another Api, for one remembers what it was asked
    assert (len(pages), [run.config.get("seed") for run in pages]) == (4, [0, 0, 1, None])
    assert next(iter(api.runs("lab/p", filters={"group": "tiny"}, order="-config.seed.value"))).id == "c"
    run = api.run("lab/p/c")
    assert (run.config, run.state, run.tags, run.job_type) == (
        CONFIG | {"seed": 1},
        "finished",
        ["tiny", "seed1"],
        "bam",
    )
    assert (run.summary["epoch"], run.lastHistoryStep, run.group) == (2, 2, "tiny")
    assert [line["epoch"] for line in run.history(pandas=False)] == [0, 1, 2]
    assert [line["test/loss"] for line in run.history(keys=["test/loss"], pandas=False)] == [1, 1 / 2, 1 / 3]
    assert [line["_step"] for line in run.scan_history()] == [0, 1, 2]
    assert [line["_step"] for line in run.scan_history(min_step=1, page_size=1)] == [1, 2]
    assert run.history(stream="system", pandas=False)[0]["system.proc.memory.percent"] > 0
    assert [line["epoch"] for line in run.scan_history(keys=["epoch"], page_size=2)] == [0, 1, 2]
    assert "config.yaml" in [file.name for file in run.files()]
    with run.file("config.yaml").download(tmp_path) as file:
        assert "reduction: 16" in file.read()
    assert fetched("lab/p/d").state == "failed"


def test_the_public_api_changes_runs(server, tmp_path):
    begin(config=CONFIG, tags=["one"], group="tiny").finish()
    run = fetched()
    run.tags = [*run.tags, "two"]
    run.summary["late"] = 4
    run.update()
    (tmp_path / "late.txt").write_text("late")
    run.upload_file(str(tmp_path / "late.txt"), root=str(tmp_path))
    found = server.runs["lab/p/one"]
    assert (found.tags, found.summary["late"], found.config) == (["one", "two"], 4, CONFIG)
    assert (found.files["late.txt"], found.state, found.group) == (b"late", "finished", "tiny")


def test_projects(server):
    begin().finish()
    assert wandb.Api().project("p", "lab").name == "p"
    assert [project.name for project in wandb.Api().projects("lab")] == ["p"]
    with pytest.raises(ValueError, match="Could not find project"):
        list(wandb.Api().runs("lab/other"))


SWEEP = {
    "name": "search",
    "method": "bayes",
    "metric": {"name": "test/loss", "goal": "minimize"},
    "parameters": {"recipe.lr": {"min": 0.01, "max": 1.0}, "kind": {"values": ["bam", "cbam"]}},
}


@pytest.mark.filterwarnings("ignore:Read the `app_url` setting:DeprecationWarning")  # the client's own
def test_a_sweep_takes_runs_that_were_there_and_runs_that_join(server):
    for identity in ("a", "b"):
        with begin(id=identity) as run:
            log(run, 0, 1)
    name = wandb.sweep(SWEEP, project="p", prior_runs=["a"])
    with begin(id="c", settings=wandb.Settings(sweep_id=name)) as run:
        log(run, 0, 1, 2, 3)
    assert {identity: server.runs[f"lab/p/{identity}"].sweep for identity in "abc"} == {"a": name, "b": None, "c": name}
    (found,) = server.sweeps.values()
    assert (found.name, found.config["parameters"]["kind"]) == (name, {"values": ["bam", "cbam"]})
    sweep = wandb.Api().sweep(f"lab/p/{name}")
    assert (sweep.config["method"], [run.id for run in sweep.runs]) == ("bayes", ["a", "c"])
    assert sweep.best_run().id == "c"
    assert [each.id for each in wandb.Api().project("p", "lab").sweeps()] == [name]
    assert wandb.Api().run("lab/p/c").sweep.id == name


def test_alerts(server):
    with begin() as run:
        run.alert(title="The study is done", text="12 runs", level="WARN", wait_duration=0)
    (alert,) = server.alerts
    assert (alert["title"], alert["text"], alert["severity"]) == ("The study is done", "12 runs", "WARN")
    assert (alert["entityName"], alert["projectName"], alert["runName"]) == ("lab", "p", "one")


def test_a_custom_chart(server):
    spec = {"mark": "rule", "data": {"name": "wandb"}}
    told = {"display_name": "Forest", "spec_type": "vega2", "access": "private", "spec": spec}
    name = wandb.Api().create_custom_chart("lab", "forest", **told)
    assert name == "lab/forest"
    assert json.loads(server.charts["lab/forest"]["spec"]) == spec


def test_views(server):
    """As wandb-workspaces sends them, through the SDK."""
    workspaces = pytest.importorskip("wandb_workspaces.workspaces")
    reports = pytest.importorskip("wandb_workspaces.reports.v2")
    begin().finish()
    sections = [workspaces.Section(name="Curves", panels=[reports.LinePlot(y=["test/loss"])])]
    workspace = workspaces.Workspace(entity="lab", project="p", name="tiny", sections=sections).save()
    assert workspaces.Workspace.from_url(workspace.url).name == "tiny"
    report = reports.Report(project="p", entity="lab", title="tiny", blocks=[reports.P("Does it help?")])
    report.save()
    report.title = "tinier"
    report.save()
    assert reports.Report.from_url(report.url).title == "tinier"
    assert [found.display_name for found in wandb.Api().reports("lab/p")] == ["tinier"]
    view, note = server.views.values()
    assert (view["type"], view["displayName"], note["type"], note["displayName"]) == (
        *("project-view", "tiny"),
        *("runs", "tinier"),
    )


def sync(folder, *more):
    """Send a record as a person does."""
    command = [sys.executable, "-m", "wandb", "sync", "--include-online", *more, str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def test_an_offline_record_is_sent(server):
    told = {"group": "tiny", "job_type": "bam", "tags": ["tiny"], "notes": "why", "config": CONFIG, "mode": "offline"}
    with begin(**told, resume=None) as run:
        print("offline")
        log(run, 0, 1, 2)
        folder = Path(run.settings.sync_dir)
        time.sleep(2)  # the client samples the machine some moments after it has begun
    assert server.requests == []
    sync(folder)
    (found,) = server.runs.values()
    assert (found.config, found.group, found.job_type, found.tags) == (CONFIG, "tiny", "bam", ["tiny"])
    assert [line["_step"] for line in found.history] == [0, 1, 2]
    assert (found.summary["epoch"], found.console, found.state) == (2, ["offline"], "finished")
    assert found.system
    before = len(server.requests)
    sync(folder)
    assert len(server.requests) == before, "the client does not send twice what it has sent"


KILLED = """
import os, sys, time, wandb
run = wandb.init(project="p", id="one", resume="allow", mode="online", config={"seed": 3},
                 settings=wandb.Settings(x_transaction_log_flush_interval=0.2))
for epoch in range(4):
    run.log({"epoch": epoch}, step=epoch)
    if epoch == 1:
        print(run.settings.sync_dir, flush=True)
        sys.stdin.readline()
time.sleep(1)
os.kill(0, 9)
"""


def test_a_record_of_a_killed_online_run_whose_server_died_is_sent(server):
    command = [sys.executable, "-c", KILLED]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, start_new_session=True) as killed:
        folder = killed.stdout.readline().strip()
        until(lambda: server.runs["lab/p/one"].history)
        server.die()
        killed.communicate("go on\n")
    server.recover()
    found = server.runs["lab/p/one"]
    assert ([line["_step"] for line in found.history], found.state) == ([0], "running")
    sync(folder)
    assert [line["_step"] for line in found.history] == [0, 0, 1, 2], "it appends the whole record to what is there"
    assert (found.state, found.exit_code) == ("failed", 1)
    fetched().delete()
    sync(folder, "--include-synced")
    assert [line["_step"] for line in server.runs["lab/p/one"].history] == [0, 1, 2]


def test_a_server_that_refuses(server):
    server.refuse(403)
    with pytest.raises(wandb.errors.CommError):
        begin()
    server.recover()
    begin(id="two").finish()
    assert [run.id for run in server.runs.values()] == ["two"]


def test_a_server_that_fails_is_asked_again(server):
    server.refuse(500, only="file_stream")
    run = begin()
    log(run, 0, 1, 2)
    until(lambda: sum("file_stream" in request for request in server.requests) >= 2)
    assert server.runs["lab/p/one"].history == []
    server.recover()
    run.finish()
    assert [line["_step"] for line in server.runs["lab/p/one"].history] == [0, 1, 2]


def test_a_server_that_hangs(server):
    server.hang()
    began = time.monotonic()
    with pytest.raises(wandb.errors.CommError, match="deadline"):
        begin(settings=wandb.Settings(init_timeout=1))
    assert 1 <= time.monotonic() - began < 5
    assert server.runs == {}
    with pytest.raises(TimeoutError):
        urlopen(server.url, timeout=0.3)


def test_a_slow_server(server):
    server.slow(0.4, only="UpsertBucket")
    began = time.monotonic()
    begin().finish()
    assert time.monotonic() - began > 0.4
    assert server.runs["lab/p/one"].state == "finished"


def test_a_server_that_dies_half_way_and_comes_back(server):
    run = begin()
    log(run, 0, 1)  # a line goes when the next step begins
    until(lambda: server.runs["lab/p/one"].history)
    server.die()
    log(run, 2)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", urlsplit(server.url).port))
    assert [line["_step"] for line in server.runs["lab/p/one"].history] == [0]
    server.recover()
    run.finish()
    assert [line["_step"] for line in server.runs["lab/p/one"].history] == [0, 1, 2]


def test_faults_can_wait(server):
    server.refuse(403, after=3)
    for status in (200, 200, 200, 403):
        request = Request(server.url + "/graphql", b'{"query": "query Viewer { viewer { id } }"}')
        if status == 200:
            with urlopen(request) as answer:
                assert answer.status == 200
        else:
            with pytest.raises(HTTPError, match="403"):
                urlopen(request)


def test_a_server_that_dies_later_comes_back_where_it_was(server):
    server.die(after=1)
    url = server.url + "/storage/blob/" + server.keep(b"kept").rpartition("/")[2]
    assert urlopen(url).read() == b"kept"
    for how in ("without response", "refused"):
        with pytest.raises(OSError, match=how):
            urlopen(url)
    server.recover()
    assert urlopen(url).read() == b"kept"


def test_what_is_unknown_is_told_and_kept(wandb_server):
    for query in (
        "query A { weather { rain } }",
        "mutation B { makeCoffee(input: {}) { cup } }",
        "{ viewer { shoes } }",
    ):
        request = Request(wandb_server.url + "/graphql", json.dumps({"query": query}).encode())
        with urlopen(request) as answer:
            assert "does not know" in json.load(answer)["errors"][0]["message"]
    with pytest.raises(HTTPError, match="404"):
        urlopen(wandb_server.url + "/elsewhere")
    assert len(wandb_server.unknown) == 4
    assert "weather" in wandb_server.unknown[0]
