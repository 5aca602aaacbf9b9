"""The sweep of W&B that a search's runs join."""

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lightning_bam.run_folder.folder import RunFolder
from studies.errors import StudyError
from studies.job.job import WandbMode
from studies.search.sweep_config import sweep_config
from studies.storage.postgres import with_retries
from studies.tracking.connection import project
from studies.tracking.store import sync_command, unsent
from studies.tracking.sweep import Home, Sweep, create, find
from studies.workers.aside import Aside

if TYPE_CHECKING:
    from studies.search.search import Search

LIMIT: Final = 20.0
"""Seconds that a server has for all that it is asked before a search."""
SWEEPS: Final = "sweeps"
"""The attribute of an Optuna study that has the ids of the search's sweeps, by where they are."""
ID: Final = re.compile(r"[\w-]{1,64}", re.ASCII)
ENDED: Final = ("complete", "pruned", "failed")


def join_sweep(search: "Search", mode: WandbMode, *, trains: bool) -> None:
    """Have the runs that a search trains from here on join its sweep, which is made where there is none.

    It has the runs of earlier trials that the server has; where it `trains` none, it is made for these alone. Whose
    records are not sent are waited for. A line on stderr says why runs are in no sweep.
    """
    known = _known(search)
    if mode == "online" and (trains or not known):
        try:
            search.sweep = _found_or_made(search, known, trains=trains)
        except StudyError as error:
            if not known:
                line = f"no sweep ({error}); the same command adds the runs to one later"
                print(f"bam: W&B: {search.label}: {line}", file=sys.stderr)
    here = [name for home, name in known.items() if mode != "off" and home.endswith(f"/{project()}")]
    name = search.sweep.id if search.sweep else here[0] if len(here) == 1 else None
    search.about = replace(search.about, sweep=name)


def _found_or_made(search: "Search", known: Mapping[str, str], *, trains: bool) -> Sweep | None:
    with Aside(LIMIT) as wandb:
        home, sweep = wandb.ask(find, search.root, known)
        return sweep or with_retries(lambda: _made(search, wandb, home, known, trains=trains))


def _made(search: "Search", wandb: Aside, home: Home, known: Mapping[str, str], *, trains: bool) -> Sweep | None:
    """Make the sweep, unless another process of the search has made it meanwhile."""
    with search.leases.exclusively():
        now = _known(search)
        if now.get(str(home)) != known.get(str(home)):
            return wandb.ask(find, search.root, now)[1]
        keys = [cell.run.key for cell in search.begun_cells()]
        ended = {key for key in keys if RunFolder(search.root / key).state() in ENDED}
        if missing := len(unsent(search.root, ended)):
            told = f"{missing} earlier run{'s are' if missing > 1 else ' is'} not sent; `{sync_command(search.root)}`"
            raise StudyError(told)
        sweep = wandb.ask(create, home, sweep_config(search.space, search.method), keys, empty=trains)
        if sweep is not None:
            search.optuna.set_user_attr(SWEEPS, {**now, str(home): sweep.id})
        return sweep


def _known(search: "Search") -> dict[str, str]:
    """Return the ids of the search's sweeps by home; what somebody else has written there may be anything."""
    sweeps = with_retries(lambda: search.optuna.user_attrs).get(SWEEPS, {})
    return {home: name for home, name in sweeps.items() if isinstance(name, str) and ID.fullmatch(name)}
