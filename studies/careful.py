"""A W&B logger that a dead W&B cannot stop. Imported only where runs are tracked: it loads Lightning and W&B."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.loggers import WandbLogger


class CarefulLogger(WandbLogger):
    """Logs an epoch if it can; the first time that it cannot, it says so, and the run goes on."""

    broken = False

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Log, or note in the run's log that W&B is gone."""
        if self.broken:
            return
        try:
            super().log_metrics(metrics, step)
        except Exception as error:  # whatever W&B dies of, the run folder has the figures
            self.broken = True
            print(f"W&B: logging failed ({error}); the run goes on without it")
