"""Every check in turn; one that fails itself is a problem in one line, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from studies.doctor import accounts, disk, installation, leftovers, machine, network
from studies.doctor.finding import Finding, Scene, problem
from studies.workers.forkserver import forkserver

Check = Callable[[Scene], Iterable[Finding]]

CHECKS: Final[dict[str, Check]] = {
    "versions": installation.versions,
    "lightning": installation.twins,
    "W&B": installation.tracking,
    "cores": machine.processor,
    "memory": machine.memory,
    "shared memory": machine.shared_memory,
    "disk": disk.space,
    "files": disk.files,
    "TMPDIR": disk.temporary,
    "locks": disk.locks,
    "ports": network.ports,
    "torch": machine.devices,
    "ranks": network.ranks,
    "orphans": leftovers.orphans,
    "leases": leftovers.leases,
    "temporary files": leftovers.temporary,
    "storage": accounts.accounts,
}
"""Every check by its name; those that need torch wait some seconds for it to be loaded."""


def examine(root: Path, storage: str | None = None) -> Iterator[Finding]:
    """Try everything that a run needs, and look for what dead runs left behind.

    Changes nothing but for a probe file beside the runs, which is removed, and a row in the database, taken back.

    Args:
        root: the runs folder; it need not exist.
        storage: PostgreSQL between hosts, `postgresql://...`; None for the journal under `root`.

    """
    scene = Scene(root, storage, forkserver())
    for name, check in CHECKS.items():
        yield from carefully(name, check, scene)


def carefully(name: str, check: Check, scene: Scene) -> Iterator[Finding]:
    """Yield what a check finds; whatever it raises is a finding, too."""
    try:
        yield from check(scene)
    except Exception as error:
        words = " ".join(str(error).split())
        yield problem(
            name,
            f"this check failed itself: {type(error).__name__}: {words}",
            "mend what the line names, or report it: a check must not fail",
        )
