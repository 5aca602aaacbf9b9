"""W&B for real, offline; and servers that do not answer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlparse

import psutil
import pytest
import torch
import wandb

from analysis.cli import main
from lightning_bam.config import BAMSpec, to_dict
from lightning_bam.run_folder.folder import RunFolder
from studies.definition.study import Selection
from studies.engine.run_study import run_study
from studies.engine.scheduler import Options
from studies.errors import StudyError
from studies.job.devices import Slot
from studies.job.job import Job
from studies.job.observer import End
from studies.records.records import gather
from studies.tracking import connection, session, store
from studies.tracking import wandb_run as tracking
from tests.studies.conftest import BASE, silent, tiny
from tests.studies.tracking.conftest import until
from tests.studies.tracking.wandb_file import read, settled

OFFLINE = Options(slots=[Slot(1), Slot(1)], wandb="offline")
DEFAULT = urlparse(wandb.Settings().base_url)


EPOCHS = 16
SMALL = tiny(
    seeds=1,
    rows={
        "none": BASE,
        "BAM": replace(BASE, attention=BAMSpec(reduction=4)),
        "nan": replace(BASE, recipe=replace(BASE.recipe, lr=1e30)),
        "killed": replace(BASE, recipe=replace(BASE.recipe, epochs=EPOCHS)),
    },
    scientific=("attention", "recipe.lr", "recipe.epochs"),
)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Return the records of a study: two runs that end well, one that fails, and one that is killed and resumed."""
    root = tmp_path_factory.mktemp("runs")
    killed = []

    def kill_once(progress):
        for active in progress.active:
            begun = store.records(root, active.cell.run.key) or active.epochs > EPOCHS // 2
            if active.cell.row == "killed" and active.epochs and begun and not killed:
                killed.append(active.epochs)
                os.killpg(active.process.pid, signal.SIGKILL)

    run_study(SMALL, root, OFFLINE, kill_once)
    assert killed[0] < EPOCHS
    return {record.row: record for record in gather(SMALL, root)}


def test_each_run_is_one_finished_run_of_wandb(records):
    for record in records.values():
        found = read(record.folder.path)
        run = found["run"]
        assert (run.run_id, run.run_group) == (record.run.key, "tiny")
        assert run.display_name == f"{record.row} / seed 0"
        assert run.job_type == record.row, "so that W&B groups the seeds of a row"
        assert run.notes == "Does BAM help on plain digits?"
        attention = "bam" if record.run.attention else "none"
        tags = ["study:tiny", "dataset:digits", "backbone:small_resnet", f"attention:{attention}"]
        assert list(run.tags) == tags
        told = {
            "study": "tiny",
            "row": record.row,
            "rows": {"tiny": record.row},
            **{name: getattr(record.manifest, name) for name in ("commit", "host")},
        }
        slots = to_dict(record.run) | ({} if record.run.attention else {"attention": {"kind": "none"}})
        varied = ["attention", "recipe"]
        assert found["config"]["_wandb.pinned_keys"] == [*varied, "row", "seed", "study"], "what is varied, first"
        config = {name: value for name, value in found["config"].items() if not name.startswith("_wandb")}
        assert config == told | slots
        assert not [name for name in config if "." in name], "W&B takes a dot for a step inside"
        assert (record.state, found["exit"]) == (("failed", 1) if record.row == "nan" else ("complete", 0))
        if record.row != "nan":  # it fails so soon that there may be none
            assert found["stats"][0]["proc.memory.rssMB"] > 0, "at least one sample of the system"
        log = record.folder.log.read_text().partition("Traceback")[0].splitlines()
        printed = "".join(found["printed"]).partition("Traceback")[0].splitlines()
        assert printed == log, "all attempts, each line once"
        epochs = [line.partition("/")[0] for line in printed if line.startswith("epoch ")]
        assert [*dict.fromkeys(epochs)] == [f"epoch {line['epoch'] + 1}" for line in record.metrics]


def test_history_and_summary_are_the_folders_figures(records):
    assert [line["epoch"] for line in records["killed"].metrics] == [*range(EPOCHS)]
    for record in records.values():
        if record.row == "nan":
            continue
        found = read(record.folder.path)
        steps = [line for line in found["history"] if "test/error_top1" in line]
        names = ("epoch", "test/error_top1", "train/loss", "test/loss", "train/lr", "_step")
        assert [tuple(s[name] for name in names) for s in steps] == [
            (number, line["error_top1"], line["train_loss"], line["loss"], line["lr"], number)
            for number, line in enumerate(record.metrics, 1)
        ], "counted from 1, as in the log"
        for step, line in zip(steps, record.metrics, strict=True):
            gates = {
                f"gate/{place}/{name}": value
                for place, gate in line.get("gates", {}).items()
                for name, value in gate.items()
            }
            assert {name: value for name, value in step.items() if name.startswith("gate/")} == gates
            assert len(gates) == (4 if record.run.attention else 0)
            assert step["train/images_per_s"] == line["images_per_s"]
            assert not [name for name in step if name.startswith("gates")]
        assert not [name for line in steps for name in line if "step" in name.removeprefix("_step")], "epochs, no steps"
        result = record.result.figures()
        counts = {"params": "params", "macs": "macs", "epochs": "epochs", "seconds": "train/seconds"}
        told = {counts.get(name, f"test/{name}"): value for name, value in result.items()}
        names += tuple(name for name in steps[-1] if "gate/" in name)
        last = {name: steps[-1][name] for name in names if name != "_step"}
        pace = sum(line["images_per_s"] for line in record.metrics) / len(record.metrics)
        assert found["summary"].pop("train/images_per_s") == {"mean": pytest.approx(pace)}
        assert {name: value for name, value in found["summary"].items() if not name.startswith("_")} == (
            last | told | {"state": "complete"}
        ), "and what a classifier does not report is not there"


def test_figures_are_shown_by_epoch_and_summed_up_as_they_are_meant(records):
    found = read(records["none"].folder.path)["metrics"]
    assert found["epoch"]["options"].get("hidden"), "no curve of its own"
    summaries = {"*": {}, "train/images_per_s": {"mean": True}, "device/memory_gib": {"max": True}}
    assert {name: metric.get("summary", {}) for name, metric in found.items() if name != "epoch"} == summaries
    assert {metric.get("step_metric") for name, metric in found.items() if name != "epoch"} == {"epoch"}


EPOCH = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
sys.modules["studies.tracking.lightning_logger"] = SimpleNamespace(EpochLogger=print)  # Lightning takes long to load
from studies.job.devices import Slot
from studies.job.job import Job
from studies.tracking.wandb_run import Tracking
from tests.studies.conftest import BASE
job = Job(folder=Path(sys.argv[1]), study="tiny", row="none", slot=Slot(1))
tracking = Tracking(job, BASE)
tracking.start()
tracking.epoch({"epoch": 0.0, "train_loss": 2.5})
time.sleep(60)
"""


def test_an_epoch_is_on_disk_two_seconds_later_whatever_is_killed_then(tmp_path):
    folder = tmp_path / BASE.key
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, "-c", EPOCH, str(folder)], env=environment) as call:
        until(lambda: [*tmp_path.glob("wandb/*/*.wandb")])
        time.sleep(2.5)
        for process in (own := psutil.Process(call.pid), *own.children(recursive=True)):
            process.kill()
    found = read(folder)
    assert [(line["epoch"], line["train/loss"]) for line in found["history"]] == [(1, 2.5)]
    assert found["exit"] is None


def test_a_failed_run_says_why(records):
    record = records["nan"]
    found = read(record.folder.path)
    told = {"state": "failed", "cause": "nan", "error": record.manifest.error}
    assert {name: found["summary"][name] for name in told} == told
    *_, before, last = "".join(found["printed"]).splitlines()
    assert before.endswith(f"NotFiniteError: {record.manifest.error}"), "the traceback, as in the run's log"
    assert last == record.manifest.error
    assert [line["epoch"] for line in found["history"]] == [line["epoch"] for line in record.metrics] == []


def test_of_several_ranks_and_of_runs_that_fail_at_the_same_time_the_first_is_told(tmp_path):
    wild = replace(BASE, recipe=replace(BASE.recipe, lr=1e30))
    study = tiny(name="wild", seeds=2, rows={"none": wild}, scientific=())
    options = replace(OFFLINE, monitor=False, alert=True)
    first, again = replace(options, slots=[Slot(2), Slot(1)]), replace(options, retry_failed=True)
    for call in (first, again):
        run_study(study, tmp_path, call, silent)
        records = {record: settled(record.folder.path) for record in gather(study, tmp_path)}
        (alert,) = [alert for found in records.values() for alert in found["alerts"]]
        assert alert["title"] == "wild: a run failed"
        for record, found in records.items():
            assert found["summary"]["cause"] == record.manifest.cause == "nan"
            assert record.manifest.error.endswith(found["summary"]["error"])
            assert found["printed"] == [], "nor a traceback"


@pytest.fixture
def full_disk(tmp_path):
    """A file system without room where a run keeps its checkpoints."""
    place = tmp_path / BASE.key / "checkpoints"
    place.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.usefixtures("full_disk")
def test_a_run_that_the_machine_has_ended_is_interrupted_there_too(tmp_path):
    study = tiny(seeds=1, rows={"none": BASE}, scientific=())
    assert run_study(study, tmp_path, replace(OFFLINE, alert=True), silent).halted
    folder = RunFolder(tmp_path / BASE.key)
    found = settled(folder.path)
    assert (folder.state(), folder.manifest().cause) == ("interrupted", "disk")
    assert (found["summary"]["state"], found["artifacts"]) == ("interrupted", []), "no record of a failure"


def track(job, run=BASE):
    """Return the observer of a training that has just begun."""
    started = tracking.Tracking(job, run)
    started.start()
    return started


def test_off_loads_nothing_of_wandb_and_leaves_no_record(tmp_path):
    """Neither the scheduler nor a training: a `wandb` that would be found first is not looked at."""
    canary = tmp_path / "canary"
    (tmp_path / "first" / "wandb").mkdir(parents=True)
    (tmp_path / "first" / "wandb" / "__init__.py").write_text(f"open({str(canary)!r}, 'w').close()\n")
    (tmp_path / "mine.py").write_text("from tests.studies.conftest import tiny\nSTUDY = tiny(seeds=1)\n")
    paths = f"{tmp_path / 'first'}{os.pathsep}{Path(__file__).parents[3]}"
    words = [sys.executable, "-m", "analysis.cli", "run", "mine.py", "--devices", "cpu:2", "--wandb", "off"]
    subprocess.run(words, cwd=tmp_path, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, check=True)
    assert len(list(tmp_path.glob("runs/*/result.json"))) == 2
    assert not canary.exists()
    assert not (tmp_path / "runs" / "wandb").exists()


@pytest.fixture
def new_session():
    """Have W&B read its settings anew: it keeps those of an earlier test."""
    wandb.teardown()


@pytest.mark.parametrize(
    ("environment", "netrc", "mode"),
    [
        ({}, "", "offline"),
        ({"WANDB_API_KEY": "x" * 40}, "", "online"),
        ({}, "machine api.wandb.ai login user password secret", "online"),
        ({}, f"machine {DEFAULT.netloc} login user password secret", "online"),
        ({"WANDB_BASE_URL": "http://other:8080"}, "machine other:8080 login user password secret", "online"),
        ({"WANDB_BASE_URL": "http://other:8080"}, "machine other login user password secret", "online"),
        ({"WANDB_CONFIG_DIR": "{home}"}, "machine my:8080 login user password secret", "online"),
        ({"WANDB_CONFIG_DIR": "{home}"}, "machine api.wandb.ai login user password secret", "offline"),
        ({"WANDB_BASE_URL": "nonsense"}, "machine other login user password secret", "offline"),
        ({"WANDB_BASE_URL": "http://other:8080"}, "machine api.wandb.ai login user password secret", "offline"),
        ({"WANDB_MODE": "offline", "WANDB_API_KEY": "x" * 40}, "", "offline"),
        ({"WANDB_MODE": "dryrun", "WANDB_API_KEY": "x" * 40}, "", "offline"),
        ({"WANDB_MODE": "disabled"}, "", "off"),
        ({}, "machine api.wandb.ai login user password \udcff", "offline"),  # a byte that is no text
    ],
)
@pytest.mark.usefixtures("new_session")
def test_default_mode(monkeypatch, tmp_path, capsys, environment, netrc, mode):
    """A login counts that is for the server to which W&B, as it is installed and set, would send runs."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_CONFIG_DIR", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "settings").write_text("[default]\nbase_url = http://my:8080\n")
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_text("[default]\nbase_url = http://foreign:8080\n")
    monkeypatch.chdir(tmp_path)
    if netrc:
        (tmp_path / ".netrc").write_bytes(netrc.encode(errors="surrogateescape"))
        (tmp_path / ".netrc").chmod(0o600)
    assert connection.default_mode() == mode
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["", "  ", "a/b", "50%", "p" * 129])
def test_a_project_that_wandb_refuses_is_told_before_any_run(monkeypatch, capsys, name):
    monkeypatch.setenv("WANDB_PROJECT", name)
    with pytest.raises(StudyError, match="^WANDB_PROJECT='.*: give a name of 1 to 128 characters without "):
        connection.project()
    assert main(["run", "quickstart", "--wandb", "offline"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("environment", "settings", "reason"),
    [
        ({"WANDB_API_KEY": "5" * 40 + "\n"}, b"", "API key cannot start or end with whitespace"),
        ({"WANDB_MODE": "ofline"}, b"", "mode is 'ofline': input should be 'online', 'offline', "),
        ({"WANDB_BASE_URL": "nonsense"}, b"", "base_url is 'nonsense': input should be a valid URL, "),
        ({}, b"\xff[default]", "'utf-8' codec can't decode byte 0xff "),
    ],
)
@pytest.mark.parametrize("words", [["run", "quickstart"], ["report", "quickstart", "--wandb"]])
@pytest.mark.usefixtures("new_session")
def test_what_wandb_would_record_nothing_with_is_told_before_any_run(
    monkeypatch, capsys, tmp_path, environment, settings, reason, words
):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**environment, "HOME": str(tmp_path), "WANDB_CONFIG_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "settings").write_bytes(settings)
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"bam: W&B cannot be set up: {reason}")
    assert told.endswith("; mend the variable WANDB_..., or the user's own settings of W&B\n")
    assert told.count("\n") == 1
    assert not Path("runs").exists()


def test_long_names_are_shortened_and_stay_apart(tmp_path):
    rows = {f"{'ä' * 100}{i}": replace(BASE, attention=BAMSpec(reduction=4, dilation=i)) for i in (1, 2)}
    study = tiny(seeds=1, rows={"none": BASE} | rows, scientific=("attention", "attention.dilation"))
    study = replace(Selection.of(study), variant=tuple(f"recipe.knob{i}=0.12345" for i in range(9)))
    run_study(study, tmp_path, replace(OFFLINE, monitor=False), silent)
    found = [read(record.folder.path) for record in gather(study, tmp_path)]
    assert {one["config"]["row"] for one in found} == set(study.rows)
    for name, most in (("display_name", 128), ("job_type", 64), ("run_group", 128)):
        names = {getattr(one["run"], name) for one in found}
        assert len(names) == (1 if name == "run_group" else 3)
        assert all(len(one.encode()) <= most for one in names)
    assert all(one["run"].display_name.endswith(" / seed 0") for one in found)
    assert not any(one["printed"] or one["stats"] for one in found)


class Refusing(ThreadingHTTPServer):
    """A server that hears whatever it is sent, and refuses it."""

    def __init__(self):
        heard = self.heard = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                heard.append(self.path)
                self.send_error(403)

            do_GET = do_CONNECT = do_POST

            def log_message(self, *_):
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.mark.parametrize("name", ["wandb", ".wandb"])
@pytest.mark.usefixtures("new_session")
def test_no_file_of_the_working_directory_says_where_the_key_goes(tmp_path, monkeypatch, name):
    """The user's own settings do."""
    monkeypatch.setattr(session, "SERVER_WAIT", 3.0)
    there, own = tmp_path / "there", tmp_path / "own"
    (there / name).mkdir(parents=True)
    own.mkdir()
    with Refusing() as foreign, Refusing() as home:
        (there / name / "settings").write_text(
            f"[default]\nbase_url = {foreign.address}\nhttp_proxy = {foreign.address}\nentity = foreign\n"
        )
        (there / "config-defaults.yaml").write_text("foreign: {value: 3}\n")
        (own / "settings").write_text(f"[default]\nbase_url = {home.address}\nentity = mine\n")
        monkeypatch.setenv("WANDB_CONFIG_DIR", str(own))
        monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
        monkeypatch.delenv("WANDB_BASE_URL", raising=False)
        monkeypatch.chdir(there)
        job = Job(folder=tmp_path / BASE.key, study="tiny", row="none", slot=Slot(1), wandb="online")
        track(job).end(End(state="complete"))
        found = settled(tmp_path / BASE.key)
        assert home.heard, "it was tried"
        assert foreign.heard == []
        home.shutdown()
        foreign.shutdown()
    assert (found["run"].entity, found["exit"]) == ("mine", 0)
    assert "foreign" not in found["config"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_wandb_that_cannot_be_loaded_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # what an installation that is broken gives: ImportError
    opened = track(Job(folder=tmp_path / BASE.key, study="tiny", row="none", slot=Slot(1)))
    opened.logger.log_metrics({"epoch": 0.0}, step=0)
    started = time.monotonic()
    opened.end(End(state="complete"))
    assert time.monotonic() - started < tracking.DISK / 2


def test_who_is_told_to_leave_while_a_server_does_not_answer_leaves_a_checkpoint(tmp_path):
    """It has trained meanwhile, and does not wait for W&B until it is killed."""
    root = tmp_path / "runs"
    file = tmp_path / "long.py"
    file.write_text(
        "from dataclasses import replace\n"
        "from tests.studies.conftest import BASE, tiny\n"
        "row = replace(BASE, recipe=replace(BASE.recipe, epochs=5000))\n"
        "STUDY = tiny(seeds=1, rows={'none': row}, scientific=())\n"
    )
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WANDB_")},
            "WANDB_BASE_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
            "WANDB_API_KEY": "0" * 40,
            "WANDB_SERVICE": "3-1-unix-/gone",  # of a notebook, say, that started this call's terminal
            "PYTHONPATH": str(Path(__file__).parents[3]),
        }
        words = [sys.executable, "-m", "analysis.cli", "run", str(file), "--root", str(root), "--wandb", "online"]
        with subprocess.Popen([*words, "--devices", "cpu:1"], env=environment, stderr=subprocess.PIPE) as call:
            until = time.monotonic() + 60
            while not list(root.glob("*/checkpoints/last.ckpt")) and time.monotonic() < until:
                time.sleep(0.1)
            call.send_signal(signal.SIGINT)
            *_, last = call.stderr.read().decode().splitlines()
            assert last == "bam: interrupted; the same command goes on from here"
            assert call.wait() == 130
    (manifest,) = root.glob("*/manifest.json")
    folder = RunFolder(manifest.parent)
    assert (folder.state(), folder.manifest().cause) == ("interrupted", "stopped by signal 15")
    saved = torch.load(folder.checkpoint)
    assert saved["epoch"] == len(folder.metrics()), "in the middle of an epoch, not at the end of the last"
    assert "W&B: not open yet; it knows nothing of this attempt" in folder.log.read_text()


def test_a_wandb_that_dies_in_the_middle_stops_nothing(tmp_path):
    """Its service is killed for real as soon as there is a record."""
    killed = []

    def kill_service(progress):
        for active in progress.active:
            if store.records(tmp_path, active.cell.run.key) and not killed:
                for process in psutil.process_iter():
                    with suppress(psutil.Error):  # some other process that has just ended
                        words = " ".join(process.cmdline())
                        if f"--pid {active.process.pid}" in words and "wandb-core" in process.name():
                            process.kill()
                            killed.append(process.pid)

    long = replace(BASE, recipe=replace(BASE.recipe, epochs=20))
    study = tiny(seeds=1, rows={"none": long, "BAM": replace(long, attention=BAMSpec(reduction=4))})
    progress = run_study(study, tmp_path, OFFLINE, kill_service)
    assert killed
    assert progress.failed == []
    assert [record.state for record in gather(study, tmp_path)] == ["complete"] * 2
    assert "; the run goes on" in "".join(r.folder.log.read_text() for r in gather(study, tmp_path))
