"""A run over several nodes: a step of the Slurm job, one task a node, each of which starts torch's launcher.

Slurm starts the tasks, hands the signal to leave on to them, and ends them all a while after the first has ended; what
crosses the network is torch's own. The node from which the step is started is the job's first, which keeps the record.
Its process holds the tasks' stdin open: where that ends it is gone, however it went, and they end themselves.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from torch.distributed import DistError
from torch.distributed.elastic.multiprocessing.api import SignalException

from lightning_bam.signals import Leaving, Signals
from studies.job.devices import Slot
from studies.job.job import FULL, TAKEN, Job
from studies.workers.failure import Failure, Interrupted, RankError
from studies.workers.forkserver import VARIABLE
from studies.workers.launch import held, watch_lifeline
from studies.workers.process_environment import redirect, scrub
from studies.workers.ranks import FAULT, launch
from studies.workers.rendezvous import LOOPBACK, Rendezvous, free_port, local_address

CRASH_WAIT: Final = 3.0
"""Seconds that word of a crash on another node may take through a shared folder."""
LEAVE: Final = signal.SIGUSR1
"""What tells the tasks to leave; at SIGTERM srun would kill them at once."""
OTHERS_WAIT: Final = 15
"""Seconds that the others get to end once one task has ended: the first rank has W&B's record to close."""
EXIT_WAIT: Final = 6.0
"""Seconds that the tasks get to leave, less than `leaving.PATIENCE`."""
GONE: Final = (143, "another node is gone")
"""How the run ends where a node is interrupted with its machine."""


def run_step(job: Job, environment: Mapping[str, str], lock: int | None) -> None:
    """Train a run over the nodes of this Slurm job, and wait for its end.

    Args:
        job: what to train; its slot says on how many nodes.
        environment: what this process was started with, Slurm's variables among it.
        lock: a descriptor of the run folder's lock. srun holds it, too, until every task has ended, so that nobody else
            trains the run while a rank that has outlived this process still writes.

    Raises:
        RankError: the first rank that failed, on whichever node.
        Interrupted: a rank or a node was interrupted with its machine, or a disk is full.
        Leaving: this process was told to.

    """
    nodes, address = job.slot.nodes, first_address(environment)
    work = asdict(job) | {"folder": str(job.folder)}
    told = {"job": work, "address": address, "port": free_port(address)}
    command = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--job-name=bam-run"]
    # runs of other slots share the nodes
    command += ["--overlap", "--cpu-bind=none", "--kill-on-bad-exit=0", f"--wait={OTHERS_WAIT}", "--quiet"]
    if cpus := environment.get("SLURM_CPUS_PER_TASK"):
        command.append(f"--cpus-per-task={cpus}")
    command += [sys.executable, "-P", "-m", "studies.workers.nodes", json.dumps(told)]
    mark = os.environ[VARIABLE]
    step = subprocess.Popen(
        command,
        env={**environment, VARIABLE: mark},
        stdin=subprocess.PIPE,
        pass_fds=() if lock is None else (lock,),
        start_new_session=True,  # killed with this group, it would let go of the lock, and leave the tasks alone
    )
    try:
        code = step.wait()
    except Leaving:
        step.send_signal(LEAVE)
        with suppress(subprocess.TimeoutExpired):
            step.wait(EXIT_WAIT)
        raise
    if code == 0:
        return
    if code == TAKEN:
        raise Interrupted(code, "taken over")
    if code in (FULL, FAULT):
        raise Interrupted(code, "disk" if code == FULL else "storage")
    failure = first_crash(job.folder)
    raise (RankError(failure) if failure else Interrupted(*GONE))


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
    held.append(Connection(os.dup(sys.stdin.fileno()), writable=False))
    watch_lifeline()
    try:
        launch(job, rendezvous)
    except Leaving as leaving:
        return leaving.code
    except SignalException as error:  # one of those that torch's launcher answers; it has ended the ranks
        return 128 + int(error.sigval)
    except Interrupted as interrupted:
        return int(interrupted.code or 1)
    except RankError as error:
        if error.failure.cause != "connection":
            error.failure.record(job.folder)
        return 1
    except DistError as error:
        print(f"the nodes do not meet: {error}", file=sys.stderr)
        return 1
    finally:
        sys.stdout.flush()
    return 0


def job_of(data: dict[str, Any]) -> Job:
    """Return the job that `run_step` wrote down."""
    slot = data["slot"] | {"gpus": tuple(data["slot"]["gpus"])}
    return Job(**data | {"folder": Path(data["folder"]), "slot": Slot(**slot)})


if __name__ == "__main__":
    sys.exit(main())
