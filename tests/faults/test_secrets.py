"""A password or token that somebody gives to a command: in no file under the runs folder, in no other command line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
from sqlalchemy.engine import make_url

from studies.job.devices import Slot
from studies.job.job import Job
from studies.job.observer import End
from studies.tracking import wandb_run as tracking
from tests.analysis.cli.conftest import TINY
from tests.studies.conftest import BASE
from tests.studies.tracking.wandb_file import messages, settled

CANARY = "canary5eed"
HERE = Path(__file__).parents[2]


def holders(root):
    """Return the files under `root` that hold the canary, which W&B's file may have in pieces of 32 KiB."""
    files = [path for path in root.rglob("*") if path.is_file()]
    records = [(path, str(messages(path))) for path in files if path.suffix == ".wandb"]
    assert records, "W&B has written"
    found = [path for path, text in records if CANARY in text]
    return found + [path for path in files if CANARY.encode() in path.read_bytes()]


def test_wandb_keeps_no_command_line_path_or_remote(tmp_path, monkeypatch):
    """The remote's token stands where git itself does not see that it is one."""
    repository = tmp_path / CANARY
    for words in (["init", "-q", repository], ["-C", repository, "remote", "add", "origin", f"https://x/{CANARY}"]):
        subprocess.run(["git", *words], check=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", repository, *author, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys, "argv", ["bam", "run", "--storage", f"postgresql://me:{CANARY}@h/db"])
    for name in ("WANDB_API_KEY", "PGPASSWORD", "BAM_STORAGE"):
        monkeypatch.setenv(name, CANARY.ljust(40, "0"))
    folder = tmp_path / "runs" / BASE.key
    folder.mkdir(parents=True)
    observer = tracking.Tracking(Job(folder=folder, study="tiny", row="none", slot=Slot(1), wandb="offline"), BASE)
    observer.start()
    observer.end(End(state="complete"))
    assert settled(folder)["exit"] == 0
    assert holders(tmp_path / "runs") == []


def command_lines(process, seen):
    """Add what the processes below `process` show in `ps`, but its own forks, which show what it does."""
    own = process.cmdline()
    for child in process.children(recursive=True):
        with suppress(psutil.Error):
            if (words := child.cmdline()) != own:
                seen.add(" ".join(words))


def test_a_password_stays_with_the_scheduler(tmp_path, postgres):
    (tmp_path / "tiny.py").write_text(TINY.replace("seeds=2", "seeds=1"))
    url = make_url(postgres).set(password=CANARY).render_as_string(hide_password=False)
    environment = os.environ | {"PYTHONPATH": str(HERE), "WANDB_MODE": "offline"}
    words = [sys.executable, "-m", "analysis.cli", "run", "tiny.py", "--devices", "cpu:1", f"--storage={url}"]
    seen: set[str] = set()
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as call:
        scheduler = psutil.Process(call.pid)
        while call.poll() is None:
            with suppress(psutil.Error):
                command_lines(scheduler, seen)
            time.sleep(0.05)
        said = call.stderr.read()
    assert call.returncode == 0, said
    assert any("forkserver" in line for line in seen)
    assert any("wandb-core" in line for line in seen)
    assert [line for line in seen if CANARY in line] == []
    assert holders(tmp_path / "runs") == []
    assert CANARY not in said
    warned = "other users can read the password in `ps`; put it into ~/.pgpass, or the address into BAM_STORAGE\n"
    assert said.count(warned) == 1


def test_an_address_without_a_password_is_warned_of_by_nobody(tmp_path, capsys, monkeypatch):
    from analysis.cli import main

    monkeypatch.setattr(sys, "argv", ["bam", "status", "--storage=postgresql://me@127.0.0.1:1/db"])
    assert main(["status", "--root", str(tmp_path), "--storage=postgresql://me@127.0.0.1:1/db"]) == 2
    assert "`ps`" not in capsys.readouterr().err
    assert sys.argv[-1] == "--storage=postgresql://me@127.0.0.1:1/db"
