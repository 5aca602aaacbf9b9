"""`bam doctor` on a machine that trains, and with faults that only a process of its own can have."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from analysis.cli import main
from lightning_bam.config import Run
from lightning_bam.run_folder.folder import RunFolder
from studies.doctor import Finding, machine

BAM = [sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())"]


def test_the_verb(tmp_path, monkeypatch, capsys):
    """What is printed; torch is asked below, by processes of their own, whose servers train nothing later."""
    monkeypatch.setattr(machine, "torch", lambda _: [Finding("ranks", "ok", "two ranks met")])
    code = main(["doctor", "--root", str(tmp_path / "runs")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines[:-1]].count("problem") == code
    assert "ok       ranks            two ranks met" in lines
    assert lines[-1].startswith(f"problems: {code}, warnings: ")
    assert not list(tmp_path.iterdir())


def test_a_check_that_fails_itself_is_a_problem_in_one_line(tmp_path, monkeypatch, capsys):
    def check():
        yield Finding("x", "ok", "first")
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(machine, "versions", check)
    monkeypatch.setattr(machine, "torch", lambda _: [])
    assert main(["doctor", "--root", str(tmp_path), "--json"]) == 1
    first, second, *_ = json.loads(capsys.readouterr().out)
    assert first == {"check": "x", "level": "ok", "found": "first", "mend": ""}
    assert second == {
        "check": "versions",
        "level": "problem",
        "found": "this check failed itself: RuntimeError: two lines",
        "mend": "mend what the line names, or report it: a check must not fail",
    }


def examined(root, **environment):
    """Return what a process of its own finds, by check."""
    command = [*BAM, "doctor", "--root", str(root), "--json"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == any(finding["level"] == "problem" for finding in found.values()), done.stderr
    return found


def test_ranks_meet_on_the_loopback_whatever_the_environment_says(tmp_path):
    folder = RunFolder.of(tmp_path / "runs", Run())
    folder.describe(Run())
    folder.note(state="running")
    found = examined(tmp_path / "runs", GLOO_SOCKET_IFNAME="nosuch0")
    assert found["ranks"]["level"] == "ok"
    assert "two ranks met and added through torch's launcher" in found["ranks"]["found"]
    assert found["leases"]["level"] == "warning"
    assert {*found} == {
        *("versions", "memory", "disk", "TMPDIR", "shared memory", "locks"),
        *("torch", "GPUs", "ranks", "orphans", "leases", "journal"),
    }


def test_a_torchvision_that_does_not_fit_torch(tmp_path):
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    found = examined(tmp_path / "runs", PYTHONPATH=str(tmp_path))
    assert found["torch"]["level"] == "problem"
    assert found["torch"]["found"].endswith("disagree: RuntimeError: operator torchvision::nms does not exist")
    assert found["torch"]["mend"].startswith("pip install --force-reinstall torchvision and torch ")
    assert "ranks" not in found, "they need it"
