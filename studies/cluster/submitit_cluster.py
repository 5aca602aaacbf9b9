"""What the clusters of submitit share: the folder of its files, and the list of submissions."""

from __future__ import annotations

import io
import os
import shlex
import stat
import sys
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import BaseModel, Field

from lightning_bam.run_folder.files import append_line, read_text, refuse
from studies.cluster.cluster import Cluster, Request
from studies.errors import StudyError

if TYPE_CHECKING:
    from submitit.core.core import PicklingExecutor

    from studies.cluster.worker_job import WorkerJob

PYTHON: Final = f"{shlex.quote(sys.executable)} -P"
"""What submitit starts in a job, in the folder that it was submitted from: nothing is imported from there."""
TIMEOUTS: Final = 1000
"""How often a job may run out of time and be requeued."""


class Submission(BaseModel):
    """A line of submissions.jsonl; the number of the job becomes a word of a command."""

    job: str = Field(pattern=r"^[0-9]{1,18}$")
    study: str
    workers: int
    submitted: str


class SubmititCluster(Cluster):
    """A cluster with an executor of submitit, whose jobs are `WorkerJob`s."""

    notice: ClassVar = 90  # the runs end within a few seconds; Slurm itself may be a minute early

    @abstractmethod
    def executor(self, root: Path, request: Request) -> PicklingExecutor:
        """Return submitit's executor for a request.

        Raises:
            StudyError: as `script`.

        """

    def submit(self, root: Path, study: str, command: list[str], request: Request, storage: str | None = None) -> str:
        """Submit jobs as the class says, whose logs and pickles go to `folder`, and list them there."""
        executor = self.executor(root, request)
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        from studies.cluster.worker_job import STORAGE, WorkerJob

        make_folder(self.folder(root))
        try:
            # submitit prints what the error says, too
            with redirect_stderr(io.StringIO()), variables({} if storage is None else {STORAGE: storage}):
                jobs = self.start(executor, WorkerJob(command, shared=storage is not None), request.workers)
        except (FailedJobError, FailedSubmissionError) as error:
            lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("Try ")]
            reason = lines[-1].removeprefix("sbatch: ").removeprefix("error: ") if lines else "sbatch failed"
            raise StudyError(f"{self.name} refuses: {reason}") from None
        numbers = list(dict.fromkeys(str(job.job_id).partition("_")[0] for job in jobs))
        for number in numbers:
            self.note(root, number, study, len(jobs) // len(numbers))
        return numbers[0]

    def start(self, executor: PicklingExecutor, call: WorkerJob, count: int) -> list[Any]:
        """Have submitit submit that many jobs, and return what it knows them by."""
        with executor.batch():
            return [executor.submit(call) for _ in range(count)]

    def note(self, root: Path, job: str, study: str, workers: int) -> None:
        """Append a submission to the list."""
        submitted = datetime.now(UTC).isoformat(timespec="seconds")
        line = Submission(job=job, study=study, workers=workers, submitted=submitted)
        append_line(self.folder(root) / "submissions.jsonl", line.model_dump_json())

    def submissions(self, root: Path) -> dict[str, str]:
        """Return the studies of what was submitted for `root`, by number; a line that is no submission is passed over.

        Raises:
            FolderError: the list is no plain file.

        """
        try:
            lines = read_text(self.folder(root) / "submissions.jsonl").splitlines()
        except (OSError, UnicodeDecodeError):
            return {}
        studies = {}
        for line in lines:
            with suppress(ValueError):
                submission = Submission.model_validate_json(line)
                studies[submission.job] = submission.study
        return studies


def make_folder(folder: Path) -> None:
    """Make the folder of the jobs' pickles, which run as code: nobody else may write in it.

    Raises:
        FolderError: it is a link.
        StudyError: it is another user's.

    """
    folder.mkdir(parents=True, exist_ok=True)
    refuse(folder, stat.S_IFDIR)
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise StudyError(f"{folder}: is another user's, whose files would run in your jobs; give a --root of your own")
    folder.chmod(stat.S_IMODE(status.st_mode) & ~0o022)


@contextmanager
def variables(values: dict[str, str]) -> Iterator[None]:
    """Set these variables of the environment, which jobs inherit, meanwhile."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]
            os.environ.update({name: before[name]} if name in before else {})
