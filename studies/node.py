"""A run over several nodes: a step of the Slurm job, one task a node, each of which starts torch's launcher.

Slurm starts the tasks, hands signals on to them and ends them as one; what crosses the network is torch's own. The node
from which the step is started is the job's first, which keeps the record. If its process is killed, srun cannot end the
step any more: so the first task watches that process, and the others watch the first task's store.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]  # torch does not list the store
from torch.distributed.elastic.multiprocessing.api import SignalException

from lightning_bam.leaving import Leaving, Signals
from studies.devices import Slot
from studies.failure import Failure, Lost, RankError
from studies.job import FULL, TAKEN, Job
from studies.mark import VARIABLE, Scheduler
from studies.ranks import FAULT, launch
from studies.rendezvous import LOOPBACK, TIMEOUT, Rendezvous, free_port, local_address
from studies.surroundings import redirect, scrub

GRACE: Final = 4.0
"""Seconds that a task may go on once the process that it watches is gone: the run may just have ended well."""
CRASH_WAIT: Final = 3.0
"""Seconds that word of a crash on another node may take through a shared folder."""
EXIT_WAIT: Final = 6.0
"""Seconds that srun gets to end its tasks, less than `leaving.PATIENCE`."""
GONE: Final = (143, "another node is gone")
"""How the run ends where a node is lost with its machine."""


def run_step(job: Job, environment: Mapping[str, str]) -> None:
    """Train a run over the nodes of this Slurm job, and wait for its end.

    Args:
        job: what to train; its slot says on how many nodes.
        environment: what this process was started with, Slurm's variables among it.

    Raises:
        RankError: the first rank that failed, on whichever node.
        Lost: a rank or a node was lost with its machine, or a disk is full.
        Leaving: this process was told to.

    """
    nodes, address = job.slot.nodes, first_address(environment)
    work = asdict(job) | {"folder": str(job.folder)}
    told = {"job": work, "address": address, "port": free_port(address), "parent": os.getpid()}
    command = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--job-name=bam-run"]
    # runs of other slots share the nodes
    command += ["--overlap", "--cpu-bind=none", "--kill-on-bad-exit=1", "--quiet"]
    if cpus := environment.get("SLURM_CPUS_PER_TASK"):
        command.append(f"--cpus-per-task={cpus}")
    command += [sys.executable, "-P", "-m", "studies.node", json.dumps(told)]
    mark = os.environ[VARIABLE]
    step = subprocess.Popen(command, env={**environment, VARIABLE: mark}, stdin=subprocess.DEVNULL)
    try:
        code = step.wait()
    except Leaving:
        step.terminate()  # srun hands it on
        with suppress(subprocess.TimeoutExpired):
            step.wait(EXIT_WAIT)
        raise
    if code == 0:
        return
    if code == TAKEN:
        raise Lost(code, "taken over")
    if code in (FULL, FAULT):
        raise Lost(code, "disk" if code == FULL else "storage")
    failure = first_crash(job.folder)
    raise (RankError(failure) if failure else Lost(*GONE))


def first_address(environment: Mapping[str, str]) -> str:
    """Return this node's address on the network that leads to the job's other nodes.

    The name of this node itself may stand for its loopback, as Debian sets it.
    """
    command = ["scontrol", "show", "hostnames", environment.get("SLURM_JOB_NODELIST", "")]
    try:
        hosts = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split()
        return local_address(hosts[-1])
    except (OSError, IndexError, subprocess.SubprocessError):  # names that only Slurm knows
        return environment.get("SLURM_LAUNCH_NODE_IPADDR", LOOPBACK)


def first_crash(folder: Path) -> Failure | None:
    """Return what the first rank that crashed has left, which may be on its way from another node."""
    deadline = time.monotonic() + CRASH_WAIT
    while (failure := Failure.first(folder)) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return failure


def main() -> int:
    """Train this node's part as a task of the step; return its exit code."""
    told = json.loads(sys.argv[1])
    node = int(os.environ["SLURM_PROCID"])
    job = job_of(told["job"])
    rendezvous = Rendezvous(nodes=job.slot.nodes, node=node, address=told["address"], port=told["port"])
    signals = Signals()
    signals.listen()
    scrub()
    os.environ["BAM_RANKS_HERE"] = str(job.ranks_here)
    redirect(job.folder / (f"launcher{node}.log" if node else "launcher.log"))
    over = threading.Event()
    try:
        alive = parent_watch(told["parent"]) if node == 0 else store_watch(rendezvous)
        threading.Thread(target=end_with, args=(alive, over), daemon=True).start()
        launch(job, rendezvous)
    except Leaving as leaving:
        return leaving.code
    except SignalException as error:  # one of those that torch's launcher answers; it has ended the ranks
        return 128 + int(error.sigval)
    except Lost as lost:
        return int(lost.code or 1)
    except RankError as error:
        if error.failure.cause != "connection":
            error.failure.record(job.folder)
        return 1
    except DistError as error:
        print(f"the nodes do not meet: {error}", file=sys.stderr)
        return 1
    finally:
        over.set()
        sys.stdout.flush()
    return 0


def job_of(data: dict[str, Any]) -> Job:
    """Return the job that `run_step` wrote down."""
    slot = data["slot"] | {"gpus": tuple(data["slot"]["gpus"])}
    return Job(**data | {"folder": Path(data["folder"]), "slot": Slot(**slot)})


def parent_watch(pid: int) -> Callable[[], bool]:
    """Return what says whether the process that started the step still lives; it is on the first node."""
    return Scheduler.of(pid).alive


def store_watch(rendezvous: Rendezvous) -> Callable[[], bool]:
    """Return what says whether the first node's store can still be reached.

    Raises:
        DistError: it cannot be reached at all.

    """
    wait = timedelta(seconds=TIMEOUT)
    store = TCPStore(rendezvous.address, rendezvous.port, is_master=False, wait_for_workers=False, timeout=wait)

    def alive() -> bool:
        try:
            store.check(["alive"])
        except DistError:
            return False
        return True

    return alive


def end_with(alive: Callable[[], bool], over: threading.Event) -> None:
    """End this process, and with it its ranks, once what it watches is gone and the run is not over."""
    while not over.wait(1.0):
        if not alive() and not over.wait(GRACE):
            print(f"bam: {GONE[1]}", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
