"""Searches that a W&B server hears of."""

from tests.studies.tracking.conftest import wandb_server

__all__ = ["wandb_server"]
