"""A W&B logger that a dead W&B cannot stop. Imported only where runs are tracked: it loads Lightning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytorch_lightning.loggers import Logger


class CarefulLogger(Logger):
    """Logs an epoch if it can; the first time that it cannot, it says so, and the run goes on.

    Lightning's own `WandbLogger` would have the training wait for W&B before its first step: Lightning asks any logger
    that has an `experiment` for it while it sets up.

    Args:
        opened: returns the W&B run, once it is open; None where it could not be opened, which has been said already.
        version: the W&B run's id.

    """

    def __init__(self, opened: Callable[[], Any], version: str) -> None:
        super().__init__()
        self.opened = opened
        self.broken = False
        self._version = version

    @property
    def name(self) -> str:
        """What Lightning calls it."""
        return "wandb"

    @property
    def version(self) -> str:
        """The W&B run's id."""
        return self._version

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log, or note in the run's log that W&B is gone."""
        run = None if self.broken else self.opened()
        if run is None:
            return
        try:
            run.log({**metrics, "trainer/global_step": step})
        except Exception as error:  # whatever W&B dies of, the run folder has the figures
            self.broken = True
            print(f"W&B: logging failed ({error}); the run goes on without it")

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Log none: `Tracking` has given W&B the run's configuration."""
