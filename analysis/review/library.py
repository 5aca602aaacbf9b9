"""The package that builds saved views and reports of W&B, loaded where it is used: it is optional."""

import warnings
from typing import Any, NamedTuple

from studies.errors import StudyError
from studies.tracking.connection import isolated_wandb


class Library(NamedTuple):
    """Its two modules: `workspaces` for saved views, `reports` for reports and for the panels of both."""

    workspaces: Any
    reports: Any


def library() -> Library:
    """Return the package; a `StudyError` says what to install where it is not there.

    Nothing of it calls a server before something is saved.
    """
    isolated_wandb()  # it asks for the server and the key as W&B does
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it defines its validators in pydantic's old way
            import wandb_workspaces.reports.v2
            import wandb_workspaces.workspaces
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "wandb_workspaces":
            raise
        install = "pip install 'lightning-bam[workspaces]'"
        raise StudyError(f"a saved view in W&B wants the package wandb-workspaces: {install}") from None
    return Library(workspaces=wandb_workspaces.workspaces, reports=wandb_workspaces.reports.v2)
