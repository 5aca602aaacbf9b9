"""The runs folder: room, files and locks on its disk, and what dead runs left in it and on this machine."""

import fcntl
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from lightning_bam.json_text import shortened
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from studies.doctor import Finding
from studies.workers.forkserver import is_orphan

MIB: Final = 2**20
SHARED_MEMORY: Final = Path("/dev/shm")
FEW: Final = 1000  # files
REMOTE: Final = ("nfs", "nfs4", "cifs", "smb3", "9p", "lustre", "beegfs", "gpfs", "ceph", "fuse.sshfs")
TRY: Final = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
"""What a second process does with the first one's lock."""
BETWEEN_HOSTS: Final = (
    "compare `mount` on each host (no nolock, no local_lock): where hosts do not see each other's locks, two may train "
    "one run, and the attempt that began last keeps its folder"
)
ENDING: Final = 15.0
"""Seconds in which the processes of a killed scheduler end themselves; a server that loads torch does that first."""


def existing(root: Path) -> Path:
    """Return the runs folder, or the nearest folder above that exists: nothing is made for an examination."""
    root = root.absolute()
    return next(path for path in (root, *root.parents) if path.is_dir())


def filesystem(path: Path) -> tuple[str, str]:
    """Return the mount point and the type of the file system that holds `path`."""
    kinds = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    mount = max(filter(path.resolve().is_relative_to, kinds), key=len, default="/")
    return mount, kinds.get(mount, "?")


def room(root: Path) -> Iterator[Finding]:
    """Look at the room where runs are written, in the temporary folder and in shared memory."""
    need = "a checkpoint takes up to 0.2 GiB, and twice that for a moment"
    yield _room("disk", root, 256, 5120, need, "free some, or choose another --root or BAM_ROOT")
    temporary, need = Path(tempfile.gettempdir()), "ranks meet there, and W&B's files lie there"
    yield _room("TMPDIR", temporary, 16, 16, need, "free some, or set TMPDIR to another folder")
    if SHARED_MEMORY.is_dir():
        mend = "docker run --shm-size=8g (or --ipc=host), or BAM_WORKERS=0; `ls -lS /dev/shm` shows what fills it"
        need = "workers that decode ImageNet need about 1 GiB"
        yield _room("shared memory", SHARED_MEMORY, 0, 1024, need, mend)


def _room(check: str, folder: Path, least: int, enough: int, need: str, mend: str) -> Finding:
    """Compare the MiB that are free for a folder: below `least` is a problem, below `enough` a warning."""
    state = os.statvfs(existing(folder))
    free = state.f_bavail * state.f_frsize / MIB
    mount, kind = filesystem(existing(folder))
    size = f"{free:.1f} MiB" if free < 1024 else f"{free / 1024:.1f} GiB"
    message = f"{size} free on {mount} ({kind}) for {folder}"
    if free >= least and state.f_files and state.f_favail < FEW:
        message = f"{message}, but only {state.f_favail} more files fit (inodes); a run makes about ten"
        return Finding(check, "problem", message, mend)
    if free >= enough:
        return Finding(check, "ok", message)
    return Finding(check, "problem" if free < least else "warning", f"{message}; {need}", mend)


def files(root: Path) -> Iterator[Finding]:
    """Bring a file to the disk (a quota shows in nothing else), and hold its lock while another process tries to."""
    folder = existing(root)
    mount, kind = filesystem(folder)
    flock, path = f"flock on {mount} ({kind})", folder / f".doctor-{os.getpid()}"
    local = "use a --root on a local disk; NFS: mount without local_lock and nolock; Lustre: mount with -o flock"
    try:
        with path.open("xb") as file:
            file.write(os.urandom(MIB))
            file.flush()
            os.fsync(file.fileno())
            fcntl.flock(file, fcntl.LOCK_EX)
            command = [sys.executable, "-I", "-S", "-c", TRY, str(path)]
            shared = subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
    except OSError as error:
        mend = "choose another --root or set BAM_ROOT, or mend the file system (full, read-only, not yours, no locks?)"
        yield Finding("files", "problem", f"{folder}: cannot be written ({error.strerror})", mend)
        return
    finally:
        with suppress(OSError):
            path.unlink()
    if shared:
        message = f"{flock} does not keep two processes apart: a second process got it, too"
        yield Finding("locks", "problem", message, local)
    elif kind in REMOTE:
        message = f"flock holds between processes here, between hosts it is up to {kind} ({mount})"
        yield Finding("locks", "warning", message, BETWEEN_HOSTS)
    else:
        yield Finding("locks", "ok", f"{flock} keeps two processes apart")


def leases(root: Path) -> Iterator[Finding]:
    """Look for runs that say that they are running while nobody holds their lock, and for folders that are torn."""
    stale, paths = [], sorted(path.parent for path in root.glob("*/run.json"))
    for path in paths:
        folder = RunFolder(path)
        try:
            if folder.manifest().state == "running" and folder.state() == "interrupted":
                stale.append(path.name)
        except FolderError as error:
            mend = f"rm -r {shlex.quote(str(path))}, and the next `bam run` trains it again"
            yield Finding("leases", "problem", str(error), mend)
    if stale:
        message = f"{len(stale)} in state 'running', and nobody trains: {shortened(', '.join(stale))}"
        mend = "`bam run STUDY` (or `bam search`, `bam worker`) goes on with them from their checkpoints"
        yield Finding("leases", "warning", message, mend)
    else:
        message = f"{len(paths)} runs under {root}, none says 'running' without somebody training it"
        yield Finding("leases", "ok", message)


def orphans() -> Iterator[Finding]:
    """Look for training processes whose scheduler has ended; they hold devices, memory and their run's lock."""
    _, alive = psutil.wait_procs([*filter(is_orphan, psutil.process_iter())], timeout=ENDING)
    pids = [str(process.pid) for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    if pids:
        message = f"{len(pids)} of a scheduler that is gone: {shortened(', '.join(pids))}"
        yield Finding("orphans", "problem", message, f"kill -9 {' '.join(pids)}")
    else:
        yield Finding("orphans", "ok", "no training process has outlived its scheduler")
