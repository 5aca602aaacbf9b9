"""A run over several nodes: a step of the Slurm job, one task a node, each of which starts torch's launcher.

Slurm starts the tasks, forwards `STOP` to them, and ends them all a while after the first has ended; what crosses the
network is torch's own. The step is started on the job's first node, which keeps the record, by a process that holds
the tasks' stdin open: when that is closed the process is dead, and they end themselves.
"""

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
from typing import Final

from pydantic import TypeAdapter
from torch.distributed import DistError

from lightning_bam.config import ConfigError
from lightning_bam.signals import Interruption, Signals
from lightning_bam.user_code.load import load
from studies.job.job import Job
from studies.workers.failure import Failure, RankError
from studies.workers.forkserver import VARIABLE
from studies.workers.launch import lifelines, watch_lifeline
from studies.workers.process_environment import redirect, scrub
from studies.workers.ranks import INTERRUPTIONS, launch
from studies.workers.rendezvous import LOOPBACK, Rendezvous, free_port, local_address

CRASH_WAIT: Final = 3.0
"""Seconds that the record of a crash on another node may take through a shared folder."""
STOP: Final = signal.SIGUSR1
"""What ends the tasks with a checkpoint; at SIGTERM srun would kill them at once."""
OTHERS_WAIT: Final = 15
"""Seconds that the others get to end once one task has ended: the first rank has W&B's record to close."""
EXIT_WAIT: Final = 6.0
"""Seconds that the tasks get after `STOP`, less than `signals.TIMEOUT`."""


def run_step(job: Job, environment: Mapping[str, str], lock: int | None) -> None:
    """Train a run over the nodes of this Slurm job, and wait for its end.

    `environment` is what this process was started with, Slurm's variables among it. srun holds `lock`, a descriptor of
    the run folder's lock, too, until every task has ended: a rank that has outlived this process may still write.
    Raises `RankError` for the first rank that failed, and `Interruption` as `launch`.
    """
    nodes, address = job.slot.nodes, first_address(environment)
    task = {"job": asdict(job) | {"folder": str(job.folder)}, "address": address, "port": free_port(address)}
    command = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--job-name=bam-run"]
    # runs of other slots share the nodes
    command += ["--overlap", "--cpu-bind=none", "--kill-on-bad-exit=0", f"--wait={OTHERS_WAIT}", "--quiet"]
    if cpus := environment.get("SLURM_CPUS_PER_TASK"):
        command.append(f"--cpus-per-task={cpus}")
    command += [sys.executable, "-P", "-m", "studies.workers.nodes", json.dumps(task)]
    step = subprocess.Popen(
        command,
        env={**environment, VARIABLE: os.environ[VARIABLE]},
        stdin=subprocess.PIPE,
        pass_fds=() if lock is None else (lock,),
        start_new_session=True,  # killed with this group, it would let go of the lock, and leave the tasks alone
    )
    try:
        code = step.wait()
    except Interruption:
        step.send_signal(STOP)
        with suppress(subprocess.TimeoutExpired):
            step.wait(EXIT_WAIT)
        raise
    if code in INTERRUPTIONS:
        raise Interruption(code, INTERRUPTIONS[code])
    if code:
        deadline = time.monotonic() + CRASH_WAIT
        while (failure := Failure.first(job.folder)) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        raise (RankError(failure) if failure else Interruption(128 + signal.SIGTERM, "another node is gone"))


def first_address(environment: Mapping[str, str]) -> str:
    """Return this node's address on the network that leads to the job's other nodes; its name may mean its loopback."""
    command = ["scontrol", "show", "hostnames", environment.get("SLURM_JOB_NODELIST", "")]
    try:
        hosts = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split()
        return local_address(hosts[-1])
    except (OSError, IndexError, subprocess.SubprocessError):  # names that only Slurm knows
        return environment.get("SLURM_LAUNCH_NODE_IPADDR", LOOPBACK)


def main() -> int:
    """Train this node's part as a task of the step; return its exit code."""
    task = json.loads(sys.argv[1])
    node = int(os.environ["SLURM_PROCID"])
    job = TypeAdapter(Job).validate_python(task["job"])
    rendezvous = Rendezvous(nodes=job.slot.nodes, node=node, address=task["address"], port=task["port"])
    signals = Signals()
    signals.listen()
    scrub()
    os.environ["BAM_RANKS_HERE"] = str(job.ranks_here)
    redirect(job.folder / (f"launcher{node}.log" if node else "launcher.log"))
    lifelines.append(Connection(os.dup(sys.stdin.fileno()), writable=False))
    watch_lifeline()
    try:
        load(job.code)
        launch(job, rendezvous)
    except Interruption as error:
        return error.code
    except RankError as error:
        error.failure.record(job.folder)
        return 1
    except ConfigError as error:
        Failure.of(error, 0).record(job.folder)
        return 1
    except DistError as error:
        print(f"the nodes do not meet: {error}", file=sys.stderr)
        return 1
    finally:
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
