"""Submit workers to Slurm, through submitit: a job array, requeued on pre-emption and when its time is up."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lightning_bam.run_folder.files import refuse
from studies.cluster.slurm.jobs import folder_of, note
from studies.errors import StudyError

if TYPE_CHECKING:
    from submitit import SlurmExecutor

NOTICE: Final = 90
"""Seconds before its end at which Slurm warns a job; the runs end within a few, Slurm itself may be a minute early."""
TIMEOUTS: Final = 1000
"""How often a job may run out of time and be requeued."""
OURS: Final = {
    "array": "--workers",
    "nodes": "--nodes-per-run",
    "gpus-per-node": "--gpus-per-worker",
    "cpus-per-task": "--cpus-per-worker",
    "time": "--time",
    "partition": "--partition",
    "account": "--account",
    **dict.fromkeys(("signal", "requeue", "no-requeue", "open-mode", "output", "error", "ntasks-per-node"), None),
}
"""sbatch options that have an argument of their own, or None where the requeueing depends on them."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to ask Slurm for.

    Attributes:
        workers: jobs in the array.
        gpus: GPUs of a worker, on each of its nodes.
        cpus: CPU cores of a worker, on each of its nodes.
        minutes: after which a job is requeued.
        nodes: nodes of a worker, which train each run together.
        partition: Slurm's default where it is None.
        account: Slurm's default where it is None.
        more: further options of sbatch by name; an empty value for one that takes none.

    """

    workers: int
    gpus: int = 0
    cpus: int = 1
    minutes: int = 240
    nodes: int = 1
    partition: str | None = None
    account: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)


def script(root: Path, request: Request) -> str:
    """Return what would be submitted, as sbatch reads it.

    Raises:
        StudyError: no Slurm here, or an option that is not to be given.

    """
    executor = _executor(root, request)
    if request.workers > 1:
        executor.parameters["map_count"] = request.workers
    # submitit has no public name for either
    text: str = executor._make_submission_file_text(executor._submitit_command_str, "")
    return text


def submit(root: Path, study: str, command: list[str], request: Request, storage: str | None = None) -> str:
    """Submit a job array that runs `command` in each job, and return its number.

    Args:
        root: the runs folder, which every node sees under this path; logs go to its `slurm/`.
        study: what the command works on, for `bam status`.
        command: `bam worker` with absolute paths.
        request: what to ask for.
        storage: the database's address, which the jobs get in their environment.

    Raises:
        StudyError: no Slurm here, or it refuses; with what it says.

    """
    executor = _executor(root, request)
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    from studies.cluster.slurm.worker_job import STORAGE, WorkerJob

    make_folder(folder_of(root))
    try:
        with redirect_stderr(io.StringIO()), _set(STORAGE, storage):  # submitit prints what the error says, too
            call = WorkerJob(command, shared=storage is not None)
            jobs = _array(executor, call, request.workers)
    except (FailedJobError, FailedSubmissionError) as error:
        said = [line for line in str(error).splitlines() if line.strip() and not line.startswith("Try ")]
        reason = said[-1].removeprefix("sbatch: ").removeprefix("error: ") if said else "sbatch failed"
        raise StudyError(f"Slurm refuses: {reason}") from None
    number = str(jobs[0].job_id).partition("_")[0]
    note(root, number, study, request.workers)
    return number


def make_folder(folder: Path) -> None:
    """Make the folder of the jobs' pickles, which run as code: nobody else may write in it.

    Raises:
        FolderError: it is a link.
        StudyError: it is another user's.

    """
    folder.mkdir(parents=True, exist_ok=True)
    refuse(folder, stat.S_IFDIR)
    there = folder.stat()
    if there.st_uid != os.geteuid():
        raise StudyError(f"{folder}: is another user's, whose files would run in your jobs; give a --root of your own")
    if there.st_mode & 0o022:
        folder.chmod(stat.S_IMODE(there.st_mode) & ~0o022)


@contextmanager
def _set(name: str, value: str | None) -> Iterator[None]:
    """Let the environment, which sbatch hands on to the jobs, have `name` meanwhile."""
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        if value is not None:
            os.environ.pop(name)
            os.environ.update({} if before is None else {name: before})


def _array(executor: SlurmExecutor, call: Any, count: int) -> list[Any]:
    with executor.batch():
        return [executor.submit(call) for _ in range(count)]


def _executor(root: Path, request: Request) -> SlurmExecutor:
    for name, value in {"root": str(root.absolute()), **vars(request), **request.more}.items():
        if isinstance(value, str) and not value.isprintable():
            raise StudyError(f"--{name} {value!r}: cannot stand in a job's script; leave out what is no printable sign")
    for program in ("sbatch", "srun"):
        if not shutil.which(program):
            raise StudyError(
                f"no Slurm here: {program} is not installed; submit from a login node of the cluster, or start workers "
                "by hand with `bam worker`"
            )
    from submitit import SlurmExecutor

    python = f"{shlex.quote(sys.executable)} -P"  # the job begins in the folder that it was submitted from
    executor = SlurmExecutor(folder=folder_of(root), max_num_timeout=TIMEOUTS, python=python)
    options = {
        "job_name": "bam",
        "time": request.minutes,
        "nodes": request.nodes,
        "ntasks_per_node": 1,
        "cpus_per_task": request.cpus,
        "gpus_per_node": request.gpus or None,
        "partition": request.partition,
        "account": request.account,
        "signal_delay_s": NOTICE,
        "array_parallelism": request.workers,
        "stderr_to_stdout": True,
        # since Slurm 22.05 a step no longer inherits its job's cores; one worker, on the first node, starts what the
        # others take part in (`studies.workers.nodes`)
        "srun_args": [f"--cpus-per-task={request.cpus}", "--nodes=1", "--ntasks=1"],
        "additional_parameters": {"requeue": True} | _more(request.more),
    }
    executor.update_parameters(**{name: value for name, value in options.items() if value is not None})
    return executor


def _more(options: Mapping[str, str]) -> dict[str, str | bool]:
    """Return further options as submitit takes them.

    Raises:
        StudyError: one that has an argument of its own, or on which the requeueing depends.

    """
    for name, value in options.items():
        if name in OURS:
            instead = f"use {OURS[name]}" if OURS[name] else "bam sets it, because requeueing depends on it"
            raise StudyError(f"--slurm {name}{'=' * bool(value)}{value}: {instead}")
    return {name: value or True for name, value in options.items()}
