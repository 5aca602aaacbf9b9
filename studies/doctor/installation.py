"""The installed packages: do their versions fit each other, are there two Lightnings, where does W&B write?"""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterator
from importlib import metadata
from typing import Final
from urllib.parse import urlparse

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from studies.doctor.finding import Finding, Scene, ok, problem, warning
from studies.tracking.wandb_run import PATIENCE, address, default_mode

NAMED: Final = (
    "lightning-bam",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "optuna",
    "wandb",
    "numpy",
    "psutil",
    "psycopg",
)
"""Packages whose versions are told, and whose own requirements are checked: torchvision's says which torch it fits."""
TOLD: Final = (*NAMED[:4], "optuna", "wandb")


def installed(name: str) -> str | None:
    """Return the version of a distribution, or None where there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def versions(scene: Scene) -> Iterator[Finding]:  # noqa: ARG001
    """Compare what is installed with what the packages themselves ask for."""
    python = platform.python_version()
    wanted = metadata.metadata("lightning-bam")["Requires-Python"]
    unfit = False
    if python not in SpecifierSet(wanted):
        unfit = True
        yield problem("versions", f"python {python}, wanted {wanted}", "make a new venv with a Python of that version")
    for name in filter(installed, NAMED):
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            found = installed(requirement.name)
            if found is None or not requirement.specifier.contains(found, prereleases=True):
                unfit = True
                has = f"{requirement.name} {found}" if found else f"no {requirement.name}"
                mend = f"pip install '{requirement.name}{requirement.specifier}'"
                yield problem(
                    "versions", f"{has}, but {name} {installed(name)} needs {requirement.specifier or 'one'}", mend
                )
    if not unfit:
        told = [f"python {python}", *(f"{name} {installed(name)}" for name in TOLD)]
        yield ok("versions", ", ".join(told))


def twins(scene: Scene) -> Iterator[Finding]:  # noqa: ARG001
    """Look for `lightning` beside `pytorch-lightning`: the same classes twice, and neither accepts the other's."""
    twin, ours = installed("lightning"), installed("pytorch-lightning")
    if twin is None:
        yield ok("lightning", f"pytorch-lightning {ours} alone; no second Trainer class from a package `lightning`")
        return
    yield problem(
        "lightning",
        f"lightning {twin} and pytorch-lightning {ours} are both installed: two Trainer classes, and a module, "
        "callback or logger made with one is refused by the other",
        "pip uninstall lightning",
    )


def tracking(scene: Scene) -> Iterator[Finding]:  # noqa: ARG001
    """Say where W&B would write, and whether its server answers if it is to be online."""
    mode = default_mode()
    asked = os.environ.get("WANDB_MODE")
    if asked not in (None, "", "online", "offline", "disabled"):
        yield warning("W&B", f"WANDB_MODE={asked} means nothing here; runs are {mode}", "unset WANDB_MODE")
    elif mode != "online":
        why = (
            f"WANDB_MODE={asked}"
            if asked in ("offline", "disabled")
            else "nobody is logged in; `wandb login` if wanted"
        )
        yield ok("W&B", f"{mode} ({why}); the run folders have every figure anyway")
    else:
        yield _server(urlparse(address()))


def _server(url: object) -> Finding:
    host, port = getattr(url, "hostname", None), getattr(url, "port", None)
    port = port or (80 if getattr(url, "scheme", "") == "http" else 443)
    try:
        socket.create_connection((host or "", port), timeout=3).close()
    except OSError as error:
        return warning(
            "W&B",
            f"online, but {host}:{port} does not answer ({error.strerror or error}); each run waits up to "
            f"{PATIENCE:.0f} s for it, then goes on offline",
            "export WANDB_MODE=offline, and `wandb sync` later; or mend the network",
        )
    return ok("W&B", f"online at {host}")
