"""`bam submit` on a real Slurm cluster: daemons, queue, job array, requeue."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy.engine import make_url

from analysis.cli import main
from lightning_bam.run_folder.files import FolderError
from studies.cluster.slurm import make_folder
from studies.errors import StudyError
from tests.studies.cluster.contract import until
from tests.studies.cluster.slurm import cluster

STUDY = """
from dataclasses import replace
from lightning_bam import BAMSpec, Digits, Recipe, Run, SmallResNet
from studies import Study

base = Run(
    dataset=Digits(), backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=20, batch_size=64, schedule="cosine", crop_padding=0, flip=False),
)
STUDY = Study(
    name="mine", question="Does BAM help?", baseline="none", scientific=("attention",), seeds=2,
    rows={"none": base, "BAM": replace(base, attention=BAMSpec(reduction=4, dilation=1))},
)
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Return a study file, named relative to the current folder, where no job looks for modules."""
    (tmp_path / "mine.py").write_text(STUDY)
    for name in ("json", "random", "studies", "submitit"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError(__name__ + ' of the working directory')\n")
    monkeypatch.chdir(tmp_path)
    return "mine.py"


def status(capsys):
    """Return what `bam status --json` says: runs by key, jobs by number."""
    assert main(["status", "mine.py", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    return {one["key"]: one for one in found if "key" in one}, {one["job"]: one for one in found if "job" in one}


def working(root):
    """Return the processes that any job of this test has left or started."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            environment = process.environ()
            if environment.get("BAM_ROOT") == str(root) and "SLURM_JOB_ID" in environment:
                found.append(process)
    return found


def training(root, task):
    """Return the folder of the run that a job of the array is training, once it has a checkpoint."""
    for process in working(root):
        with suppress(psutil.Error, OSError):
            log = Path(f"/proc/{process.pid}/fd/1").resolve()
            metrics = log.parent / "metrics.jsonl"
            if (
                log.name == "rank0.log"
                and process.environ()["SLURM_ARRAY_TASK_ID"] == task
                and metrics.read_text().count("\n") > 1
            ):
                return log.parent
    return None


def log_of(root, job):
    return (root / "slurm" / f"{job}_0_log.out").read_text()


def test_a_job_is_requeued_in_the_middle_and_the_table_comes_out_complete(slurm, study, tmp_path, monkeypatch, capsys):
    """By `scontrol requeue`; the contract has the signal that Slurm sends before the time is up."""
    root = tmp_path / "runs"
    monkeypatch.setenv("BAM_ROOT", str(root))
    assert main(["submit", study, "--workers", "2", "--wandb", "off"]) == 0
    array, _, said = capsys.readouterr().err.removeprefix("mine: job ").partition(",")
    assert said == f" 2 workers for 4 runs; logs in {root}/slurm\n"
    interrupted = until(lambda: training(root, "0")).name
    before = {process.pid for process in working(root) if process.environ()["SLURM_ARRAY_TASK_ID"] == "0"}
    _, jobs = status(capsys)
    assert (jobs[f"{array}_0"]["state"], jobs[f"{array}_0"]["requeued"]) == ("RUNNING", 0)
    assert jobs[f"{array}_0"]["node"] in ("node0", "node1")
    subprocess.run(["scontrol", "requeue", f"{array}_0"], check=True)
    until(lambda: not before & {process.pid for process in working(root)}, limit=20)
    assert main(["status", study]) == 0
    assert "; requeued 1 times" in capsys.readouterr().out
    until(lambda: cluster.ask(slurm, "squeue", "--noheader") == [], limit=240)
    runs, jobs = status(capsys)
    assert ([run["state"] for run in runs.values()], jobs) == (["complete"] * 4, {})
    attempts = {key: json.loads((root / key / "manifest.json").read_text())["attempts"] for key in runs}
    assert {key: len(made) - 1 for key, made in attempts.items()} == {key: int(key == interrupted) for key in runs}
    assert all(later["from_epoch"] >= 1 for made in attempts.values() for later in made[1:]), "each went on"
    assert main(["table", study, "--strict"]) == 0
    assert [log_of(root, f"{array}_{task}").count("analysis.cli worker") for task in "01"] == [2, 1]
    assert all(log_of(root, f"{array}_{task}").count("4 of 4 runs complete") == 1 for task in "01")
    until(lambda: working(root) == [], limit=15)
    assert main(["submit", study, "--workers", "2"]) == 0
    assert capsys.readouterr().err == "mine: 4 runs complete; nothing to submit\n"


def test_the_jobs_learn_the_database_and_nobody_else_its_password(slurm, study, tmp_path, monkeypatch, capfd, postgres):
    root = tmp_path / "runs"
    monkeypatch.setenv("BAM_ROOT", str(root))
    url = make_url(postgres).set(password="secret").render_as_string(hide_password=False)
    words = ["submit", study, "--set", "recipe.epochs=1", "--seeds", "1", "--wandb", "off", "--storage", url]
    assert main([*words, "--dry-run"]) == 0
    out, err = capfd.readouterr()
    assert "BAM_STORAGE=postgresql://bam:***@/bam_" in err
    assert main(words) == 0
    until(lambda: cluster.ask(slurm, "squeue", "--noheader") == [])
    said = out + err + "".join(capfd.readouterr()) + "".join(texts(root))
    assert said.count("2 of 2 runs complete") == 1
    assert "secret" not in said
    for path in [path for path in root.iterdir() if path.is_dir() and path.name != "slurm"]:
        shutil.rmtree(path)
    assert main(["status", *words[1:6], "--storage", url, "--json"]) == 0
    assert [run["state"] for run in json.loads(capfd.readouterr().out)] == ["complete"] * 2, "it is in the database"


def texts(folder):
    """Return what the files under a folder hold, pickles as well."""
    return [path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()]


class TestWithoutRunningAnything:
    def test_nobody_else_reads_the_key_of_the_cluster(self, slurm):
        assert slurm.stat().st_mode & 0o777 == 0o700

    def test_a_dry_run_prints_what_sbatch_would_read_and_writes_nothing(self, slurm, study, tmp_path, capsys):
        request = ["--workers", "9", "--cpus-per-worker", "2", "--time", "1-01:00:30", "--slurm", "mem=2G"]
        more = ["--partition", "all", "--slurm", "exclusive", "--only", "row=BAM", "--set", "recipe.epochs=3"]
        assert main(["submit", study, "--dry-run", *request, *more, "--root", "there"]) == 0
        out, err = capsys.readouterr()
        options = {line.removeprefix("#SBATCH --") for line in out.splitlines() if line.startswith("#SBATCH")}
        assert options >= {
            "array=0-1%2", "cpus-per-task=2", "exclusive", "mem=2G", "partition=all", "requeue", "signal=USR2@90",
            "time=1501", f"output={tmp_path}/there/slurm/%A_%a_0_log.out",
        }  # fmt: skip
        assert err.startswith("mine+recipe.epochs=3: 4 runs are left, so 2 workers will do\n")
        assert f"worker {tmp_path}/mine.py --root={tmp_path}/there --devices=cpu:2 " in err
        assert err.endswith(" --set=recipe.epochs=3 --only=row=BAM\n")
        assert not (tmp_path / "there").exists()

    def test_gpus_are_asked_for_and_used(self, slurm, study, capsys):
        flags = ["--gpus-per-worker", "4", "--devices-per-run", "2", "--nodes-per-run", "2"]
        assert main(["submit", study, "--dry-run", *flags]) == 0
        out, err = capsys.readouterr()
        assert {"#SBATCH --gpus-per-node=4", "#SBATCH --cpus-per-task=16", "#SBATCH --nodes=2"} <= set(out.splitlines())
        assert "#SBATCH --array" not in out
        assert "--devices=0,1,2,3 --devices-per-run=2" in err
        assert err.endswith(" --nodes-per-run=2\n")
        assert "--nodes=1 --ntasks=1" in out, "one worker, on the first node"

    def test_slurm_refuses_in_one_line(self, slurm, study, capsys):
        assert main(["submit", study, "--partition", "gpu"]) == 2
        said = "bam: Slurm refuses: Batch job submission failed: Invalid partition name specified\n"
        assert capsys.readouterr().err == said
        assert main(["submit", study, "--slurm", "bogus=1"]) == 2
        assert capsys.readouterr().err == "bam: Slurm refuses: unrecognized option '--bogus=1'\n"


def test_nobody_else_writes_where_the_jobs_are_unpickled(tmp_path):
    folder = tmp_path / "slurm"
    folder.mkdir()
    folder.chmod(0o2777)
    make_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2755
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(FolderError, match="link: is a link, not a folder"):
        make_folder(tmp_path / "link")
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        with pytest.raises(StudyError, match="slurm: is another user's, whose files would run in your jobs"):
            make_folder(folder)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--slurm", "time=30"], "bam: --slurm time=30: use --time\n"),
        (["--slurm", "no-requeue"], "bam: --slurm no-requeue: bam sets it, because requeueing depends on it\n"),
        (["--slurm", "mem="],
         "bam submit: argument --slurm: 'mem=' is not an option of sbatch, as mem=64G or exclusive\n"),
        (["--time", "1:30"], "bam submit: argument --time: '1:30' is not a time like 2h, 90min, minutes, HH:MM:SS or "
         "D-HH:MM:SS\n"),
        (["--gpus-per-worker", "-1"],
         "bam submit: argument --gpus-per-worker: '-1' is not a number from 0 to 1,024\n"),
        (["--gpus-per-worker", "99999999999"],
         "bam submit: argument --gpus-per-worker: '99999999999' is not a number from 0 to 1,024\n"),
        (["--cpus-per-worker", "0"], "bam submit: argument --cpus-per-worker: '0' is not a number from 1 to 1,024\n"),
        (["--runs-per-device", "9999999999"],
         "bam submit: argument --runs-per-device: '9999999999' is not a number from 1 to 1,024\n"),
        (["--workers", "-1"], "bam submit: argument --workers: '-1' is not a number from 1 up\n"),
        (["--gpus-per-worker", "3", "--devices-per-run", "2"],
         "bam: --devices-per-run 2: 3 devices cannot be cut into runs of 2; use a divisor of 3, or more --devices\n"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_said_in_one_line(study, more, said, capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    try:
        code = main(["submit", study, *more])
    except SystemExit as leaving:
        code = leaving.code
    assert (code, capsys.readouterr().err) == (2, said)


def test_without_slurm_there_is_one_clear_line(study, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["submit", study]) == 2
    assert capsys.readouterr().err == (
        "bam: no Slurm here: sbatch is not installed; submit from a login node of the cluster, or start workers by "
        "hand with `bam worker`\n"
    )
    assert not (tmp_path / "runs").exists()
