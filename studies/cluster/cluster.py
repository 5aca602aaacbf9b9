"""A cluster: where `bam submit` puts workers, and where `bam status` asks for their jobs."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from studies.errors import StudyError


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to ask a cluster for: `workers` jobs of `minutes` each, after which they are requeued.

    A worker has `gpus` and `cpus` on each of its `nodes`, which train each run together. None is the cluster's default.
    `more` are further options of the cluster's own command by name, with an empty value for one that takes none.
    """

    workers: int
    gpus: int = 0
    cpus: int = 1
    minutes: int = 240
    nodes: int = 1
    partition: str | None = None
    account: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One job that has not ended: its number (`12_0` is the first of the array 12), and the label of its study.

    The state (as PENDING, RUNNING or COMPLETING), the time that it has run, and why it waits (or `None`) are in the
    cluster's own words; `node` is empty where it does not run, and `requeued` counts how often it was.
    """

    job: str
    study: str
    state: str
    node: str
    requeued: int
    elapsed: str
    reason: str


class Cluster(ABC):
    """One kind of cluster; `tests/studies/cluster/contract.py` tests what each of them promises.

    A job runs the command of one worker. A cluster gives a job notice before it ends it: the job ends its worker with
    SIGTERM, waits for the checkpoints of the worker's runs, and is requeued with the same command.

    `name` is the cluster's in messages and, in lower case, that of the folder with the jobs' logs, `notice` the seconds
    between the notice and the end of a job, and `programs` are commands of a machine from which one can submit.
    """

    name: ClassVar[str]
    notice: ClassVar[int]
    programs: ClassVar[tuple[str, ...]] = ()

    def folder(self, root: Path) -> Path:
        """Return where the jobs of a runs folder leave their logs, as an absolute path."""
        return root.absolute() / self.name.lower()

    def missing(self) -> list[str]:
        """Return which of `programs` are not installed."""
        return [program for program in self.programs if not shutil.which(program)]

    def check(self, root: Path, request: Request) -> None:
        """Check that this machine can submit, and that no value is a line of its own in a job's script."""
        for name, value in {"root": str(root.absolute()), **vars(request), **request.more}.items():
            if isinstance(value, str) and not value.isprintable():
                raise StudyError(
                    f"--{name} {value!r}: cannot stand in a job's script; leave out what is no printable sign"
                )
        if missing := self.missing():
            raise StudyError(
                f"no {self.name} here: {missing[0]} is not installed; submit from a login node of the cluster, or "
                "start workers by hand with `bam worker`"
            )

    @abstractmethod
    def script(self, root: Path, request: Request) -> str:
        """Return what `submit` would hand to the cluster, and write nothing; `StudyError` for an option it refuses."""

    @abstractmethod
    def submit(self, root: Path, study: str, command: list[str], request: Request, storage: str | None = None) -> str:
        """Submit `request.workers` jobs that run `command`, and return their number.

        Every node sees the runs folder `root` under this path; `study` is the label of what the command, `bam worker`
        with absolute paths, works on. The jobs get the address of the database, `storage`, which may hold a password,
        in their environment alone, as BAM_STORAGE. Raises `StudyError` with what the cluster says where it refuses.
        """

    @abstractmethod
    def jobs(self, root: Path) -> list[Job]:
        """Return the jobs of a runs folder that have not ended; none where the cluster does not answer."""
