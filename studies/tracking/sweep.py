"""What W&B is asked about the sweep that shows the runs of a search."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from studies.tracking.connection import isolated_wandb, project
from studies.tracking.session import prepare

SECONDS: Final = 5
"""Seconds that a server has for each answer."""
MISSING: Final = "Could not find sweep"
"""How W&B's client says that there is no such sweep; it has no exception for it."""


class Home(NamedTuple):
    """Where runs are sent to."""

    server: str
    entity: str
    project: str

    def __str__(self) -> str:
        return "/".join(self)


class Sweep(NamedTuple):
    """A sweep that a server has: where, its id, and the address of its page."""

    home: Home
    id: str
    url: str


def find(root: Path, known: Mapping[str, str]) -> tuple[Home, Sweep | None]:
    """Return where runs under `root` are sent to, and the sweep of `known`, ids by home, that is there."""
    prepare(root, "online")
    api = isolated_wandb().Api(timeout=SECONDS)
    home = Home(api.settings["base_url"], api.settings["entity"] or api.default_entity, project())
    if (name := known.get(str(home))) is None:
        return home, None
    try:
        return home, _sweep(api, home, name)
    except Exception as error:
        if MISSING not in str(error):
            raise
        return home, None  # somebody has deleted it


def create(home: Home, config: Mapping[str, Any], keys: Sequence[str], *, empty: bool) -> Sweep | None:
    """Make a sweep with those of the runs of these keys that the server has; without any only if it may be `empty`."""
    wandb = isolated_wandb()
    api = wandb.Api(timeout=SECONDS)
    if not empty and not _has_any(api, home, keys):
        return None
    name = wandb.sweep(dict(config), entity=home.entity, project=home.project, prior_runs=list(keys) or None)
    return _sweep(api, home, name)


def _sweep(api: Any, home: Home, name: str) -> Sweep:
    return Sweep(home, name, str(api.sweep(f"{home.entity}/{home.project}/{name}").url))


def _has_any(api: Any, home: Home, keys: Sequence[str]) -> bool:
    try:
        return bool(len(api.runs(f"{home.entity}/{home.project}", filters={"name": {"$in": list(keys)}}, per_page=1)))
    except ValueError:  # no such project
        return False
