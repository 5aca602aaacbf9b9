#!/usr/bin/env python3
"""A Slurm cluster of your own on one machine: munged, slurmctld and one slurmd a node, on loopback, in one folder.

    sudo python3 tests/studies/cluster/slurm/cluster.py start /tmp/slurm
    export SLURM_CONF=/tmp/slurm/slurm.conf
    sinfo; sbatch ...; bam submit ...
    sudo python3 tests/studies/cluster/slurm/cluster.py stop /tmp/slurm

`start` prints the line with `export`, which points Slurm's commands at it.

Needs Debian's or Ubuntu's packages slurm-wlm and munge, and root (slurmd starts jobs as their owners). Neither systemd
nor cgroups: it runs in a container, too. Nothing outside of the folder is written.
"""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")

CONF = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# a requeued job waits as long as a credential lives before it starts again; Slurm takes nothing below 5 s
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
MailProg=/bin/true
# no cgroups, so that it runs in a container
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
JobRequeue=1
ReturnToService=2
KillWait={kill_wait}
MinJobAge=600
InactiveLimit=0
SlurmdParameters=config_overrides
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Return what this machine lacks for a cluster, in words; nothing where it can be started."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacks = [f"{name} is not installed" for name in PROGRAMS if not shutil.which(name, path=path)]
    return lacks if os.geteuid() == 0 else [*lacks, "not root"]


def free_ports(count: int) -> list[int]:
    """Return that many different ports on which nobody listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def start(folder: Path, nodes: int = 1, cpus: int = 2, kill_wait: int = 30, timeout: float = 60) -> None:
    """Start a cluster in `folder` and wait until its nodes are idle.

    Args:
        folder: where everything of it is written; made if it is not there. A short path: a socket lies in it.
        nodes: how many nodes this machine plays.
        cpus: of each node.
        kill_wait: seconds between a job's SIGTERM and its SIGKILL, as Slurm's KillWait.
        timeout: seconds to wait.

    Raises:
        RuntimeError: it did not come up; with the last lines of the daemons' logs.

    """
    for part in ("state", *(name for name in names(nodes))):
        (folder / part).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # who reads the key in it can start jobs as root
    controller, *ports = free_ports(1 + nodes)
    lines = [
        f"NodeName={name} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} State=UNKNOWN"
        for name, port in zip(names(nodes), ports, strict=True)
    ]
    conf = folder / "slurm.conf"
    conf.write_text(
        CONF.format(
            host=socket.gethostname(), controller=controller, folder=folder, nodes="\n".join(lines), kill_wait=kill_wait
        )
    )
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    call(
        "munged",
        "--force",
        f"--socket={folder}/munge.socket",
        f"--key-file={key}",
        f"--pid-file={folder}/munged.pid",
        f"--log-file={folder}/munged.log",
        f"--seed-file={folder}/munged.seed",
    )
    call("slurmctld", "-c", "-f", str(conf))
    for name in names(nodes):
        call("slurmd", "-c", "-f", str(conf), "-N", name)
    deadline = time.monotonic() + timeout
    while states(folder) != ["idle"] * nodes:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the cluster did not come up in {timeout:.0f} s\n{logs(folder)}")
        time.sleep(0.3)


def stop(folder: Path, timeout: float = 30) -> None:
    """End every job, then the daemons, and wait until they are gone; the folder stays."""
    environment = environment_of(folder)
    with suppress(OSError, subprocess.SubprocessError):
        user = pwd.getpwuid(os.geteuid()).pw_name
        subprocess.run(["scancel", "--user", user], env=environment, timeout=10, capture_output=True, check=False)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and ask(folder, "squeue", "--noheader"):
            time.sleep(0.3)
    for pattern in ("slurmd.*.pid", "slurmctld.pid", "munged.pid"):
        for path in folder.glob(pattern):
            end(path, timeout)


def end(pid_file: Path, timeout: float) -> None:
    """End the daemon of that file: ask, wait, kill."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + timeout / 2
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def alive(pid: int) -> bool:
    """Say whether a process runs; a zombie that nobody has buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def names(nodes: int) -> list[str]:
    """Return the names of that many nodes."""
    return [f"node{index}" for index in range(nodes)]


def environment_of(folder: Path) -> dict[str, str]:
    """Return an environment in which Slurm's commands speak to the cluster in `folder`."""
    return os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}


def states(folder: Path) -> list[str]:
    """Return each node's state."""
    return ask(folder, "sinfo", "--noheader", "--Node", "--format=%T")


def ask(folder: Path, *command: str) -> list[str]:
    """Return the lines that one of Slurm's commands prints; none where it fails."""
    with suppress(subprocess.SubprocessError):
        done = subprocess.run(
            command, env=environment_of(folder), capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout.split("\n")[:-1]
    return []


def logs(folder: Path) -> str:
    """Return the last lines of every daemon's log."""
    return "\n".join(f"{path.name}:\n" + "\n".join(path.read_text().splitlines()[-8:]) for path in folder.glob("*.log"))


def call(*command: str) -> None:
    """Start one daemon, which puts itself into the background."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    quiet = subprocess.DEVNULL
    done = subprocess.run(
        command, env=os.environ | {"PATH": path}, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.decode().strip()}")


def main() -> int:
    """Start or stop a cluster from the command line."""
    parser = argparse.ArgumentParser(description="A Slurm cluster on one machine, in one folder.")
    parser.add_argument("verb", choices=("start", "stop"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, default=1, help="how many nodes this machine plays (1)")
    parser.add_argument("--cpus", type=int, default=os.cpu_count() or 1, help="of each node (all)")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    if lacks := missing():
        print(f"cluster.py: {'; '.join(lacks)}", file=sys.stderr)
        return 2
    if arguments.verb == "stop":
        stop(folder)
        return 0
    start(folder, arguments.nodes, arguments.cpus)
    print(f"export SLURM_CONF={folder}/slurm.conf")
    return 0


if __name__ == "__main__":
    sys.exit(main())
