"""The runs folder's file system: room, files that survive a crash, locks that hold between processes."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from studies.doctor.finding import Finding, Scene, ok, problem, warning
from studies.storage.postgres import GRACE

LITTLE: Final = 2**28
"""Bytes below which not even one ResNet50's checkpoint (0.2 GB) fits twice, as replacing it needs for a moment."""
TIGHT: Final = 5 * 2**30
SMALL: Final = 2**24
"""Bytes that runs need in the temporary folder, many times over."""
FEW: Final = 1000
"""Files; a run makes about ten."""
PROBE: Final = 2**20
SLOW: Final = 0.5
"""Seconds to bring 1 MiB to the disk; each epoch waits for that about twice."""
REMOTE: Final = ("nfs", "nfs4", "cifs", "smb3", "9p", "lustre", "beegfs", "gpfs", "ceph", "fuse.sshfs")
TRY: Final = (
    "import fcntl, sys\n"
    "try:\n"
    "    fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
    "    print('got')\n"
    "except BlockingIOError:\n"
    "    print('held')\n"
)
"""What the second process does with the first one's lock."""


def filesystem(path: Path) -> tuple[str, str]:
    """Return the mount point and the type of the file system that holds `path`."""
    there = os.path.realpath(path)
    best = ("/", "?")
    for part in psutil.disk_partitions(all=True):
        inside = there == part.mountpoint or there.startswith(part.mountpoint.rstrip("/") + "/")
        if inside and len(part.mountpoint) >= len(best[0]):
            best = (part.mountpoint, part.fstype)
    return best


def space(scene: Scene) -> Iterator[Finding]:
    """Look at the room and the number of files left where the runs are written."""
    state = os.statvfs(scene.ground)
    free, nodes = state.f_bavail * state.f_frsize, state.f_favail
    mount, kind = filesystem(scene.ground)
    size = f"{free / 2**30:.1f} GiB" if free >= 2**30 else f"{free / 2**20:.1f} MiB"
    found = f"{size} free on {mount} ({kind}) for {scene.root}"
    root = shlex.quote(str(scene.root))
    mend = f"free some (`du -s {root}/* | sort -n | tail`), or choose another --root or BAM_ROOT"
    if free < LITTLE:
        yield problem("disk", f"{found}; a checkpoint takes up to 0.2 GiB, and twice that for a moment", mend)
    elif state.f_files and nodes < FEW:
        yield problem("disk", f"{found}, but only {nodes} more files fit (inodes); a run makes about ten", mend)
    elif free < TIGHT:
        yield warning("disk", f"{found}; a run keeps a checkpoint of up to 0.2 GiB", mend)
    else:
        yield ok("disk", found + (f", {nodes} more files fit" if state.f_files else ""))


def temporary(scene: Scene) -> Iterator[Finding]:
    """Look at the room in the system's temporary folder, in which processes meet and W&B puts its files."""
    folder = tempfile.gettempdir()
    state = os.statvfs(folder)
    free, nodes = state.f_bavail * state.f_frsize, state.f_favail
    found = f"{free / 2**20:.1f} MiB free in {folder}"
    mend = f"free some (`du -s {shlex.quote(folder)}/* | sort -n | tail`), or set TMPDIR to a folder with room"
    if Path(folder).stat().st_dev == scene.ground.stat().st_dev:
        yield ok("TMPDIR", f"{folder} is on the same disk")
    elif free < SMALL:
        yield problem("TMPDIR", found, mend)
    elif state.f_files and nodes < FEW:
        yield problem("TMPDIR", f"{found}, but only {nodes} more files fit (inodes)", mend)
    else:
        yield ok("TMPDIR", found)


@contextmanager
def probe(scene: Scene) -> Iterator[Path]:
    """Give a path for a probe file beside the runs; whatever is there afterwards is removed."""
    path = scene.ground / f".doctor-{os.getpid()}"
    try:
        yield path
    finally:
        for used in (path, path.with_suffix(".new")):
            with suppress(OSError):
                used.unlink()


def files(scene: Scene) -> Iterator[Finding]:
    """Write a file, bring it to the disk, put it in another's place and read it back, as every record is written."""
    with probe(scene) as path:
        data, started = os.urandom(PROBE), time.monotonic()
        try:
            with path.with_suffix(".new").open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            path.with_suffix(".new").replace(path)
            same = path.read_bytes() == data
        except OSError as error:
            mend = "choose another --root or set BAM_ROOT, or mend the file system (full, read-only, not yours?)"
            yield problem("files", f"{scene.ground}: cannot be written ({error.strerror})", mend)
            return
        seconds = time.monotonic() - started
    if not same:
        yield problem("files", f"{scene.ground}: 1 MiB was read back otherwise than written", "replace this disk")
    elif seconds > SLOW:
        mend = "put --root on a local or less busy disk"
        yield warning("files", f"1 MiB reaches the disk in {seconds:.1f} s; every epoch waits for that", mend)
    else:
        yield ok("files", f"1 MiB written, on the disk, renamed and read back in {1000 * seconds:.0f} ms")


def locks(scene: Scene) -> Iterator[Finding]:
    """Hold a lock while another process tries to take it: who trains a run is known by that."""
    mount, kind = filesystem(scene.ground)
    mend = "use a --root on a local disk; NFS: mount without local_lock and nolock; Lustre: mount with -o flock"
    with probe(scene) as path:
        try:
            with path.open("xb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                while_held = try_lock(path)
            afterwards = try_lock(path)
        except OSError as error:
            yield problem("locks", f"flock on {mount} ({kind}) fails: {error.strerror}", mend)
            return
    if (while_held, afterwards) != ("held", "got"):
        seen = f"while it was held a second process saw {while_held!r}, afterwards {afterwards!r}"
        yield problem("locks", f"flock on {mount} ({kind}) does not keep two processes apart: {seen}", mend)
    elif kind in REMOTE:
        check = (
            "one host cannot see that: compare `mount` on each (no nolock, no local_lock); where hosts do not see each "
            "other's locks, two may train one run, and the attempt that began last keeps its folder; with --storage "
            f"only where one showed no life for {GRACE} s"
        )
        yield warning("locks", f"flock holds between processes here, between hosts it is up to {kind} ({mount})", check)
    else:
        yield ok("locks", f"flock on {mount} ({kind}) keeps two processes apart")


def try_lock(path: Path) -> str:
    """Return what another process sees of the lock: `got`, `held`, or its last words."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", TRY, str(path)], capture_output=True, text=True, check=False, timeout=30
    )
    return done.stdout.strip() or (done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1]
