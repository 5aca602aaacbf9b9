"""The Lightning logger of a tracked run. Imported only where runs are tracked: it loads Lightning."""

from collections.abc import Callable, Mapping
from typing import Any

from pytorch_lightning.loggers import Logger


class EpochLogger(Logger):
    """Passes each epoch's figures on, its number `epoch` among them; `version` is the W&B run's id.

    Lightning's own `WandbLogger` would have the training wait for W&B before its first step: Lightning asks any logger
    that has an `experiment` for it while it sets up.
    """

    name = "wandb"
    version = ""

    def __init__(self, epoch: Callable[[Mapping[str, Any]], object], version: str) -> None:
        super().__init__()
        self.epoch = epoch
        self.version = version

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:  # noqa: ARG002
        """Pass on; the step is the epoch, too, and no step of the optimiser, which W&B would take it for."""
        self.epoch(dict(metrics))

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Log none: `Tracking` has given W&B the run's configuration."""
