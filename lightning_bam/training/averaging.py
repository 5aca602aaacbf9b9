"""An exponential moving average of a run's weights, which is what is scored and kept."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lightning_bam.distributed import copy_first

AVERAGING: Final = "averaging"
"""Where a checkpoint has what is no weight of the run: the weights that are trained, and how many were averaged."""

NETWORK: Final = "network."
"""How the names of a run's weights begin in a checkpoint: its module has nothing else."""


def average_of(network: nn.Module, decay: float) -> AveragedModel:
    """Return a running average of `network`, empty: its first update copies, each later one is

        average = decay * average + (1 - decay) * network

    of weights and of batch norm's statistics alike, as timm's ModelEmaV3 and torchvision's references have it. Whole
    numbers (how many batches a norm has seen) are copied.
    """
    blend: Any = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    def update(averages: Any, values: Any, count: Tensor | int) -> None:
        if averages[0].is_floating_point():
            blend(averages, values, count)
        else:
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)


class WeightAverage(pl.Callback):
    """Averages the weights after each step, and lends the module the average while it is scored.

    A checkpoint's `state_dict` is the average; the weights that are trained lie beside it. Before callbacks that save.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.average: AveragedModel | None = None
        self.saved: dict[str, Any] | None = None
        self.lent = False

    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """Train on with the weights that are trained; Lightning has just loaded their average."""
        pl_module.load_state_dict(checkpoint[AVERAGING]["trained"])
        self.saved = {"module": _of_network(checkpoint["state_dict"]), "count": checkpoint[AVERAGING]["count"]}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Begin the average, or go on with it, where the network lies by now."""
        self.average = average_of(_network(pl_module), self.decay)
        if self.saved is not None:
            self.average.module.load_state_dict(self.saved["module"])
            self.average.n_averaged.fill_(self.saved["count"])

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:  # noqa: ARG002
        """Add what the step has made of the weights."""
        self._average.update_parameters(_network(pl_module))

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Lend the average to what is scored; its statistics are the first rank's, as those that are kept."""
        copy_first(self._average.module.buffers())
        self._exchange(pl_module)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Take it back."""
        self._exchange(pl_module)

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """Keep both, each in its own place also where one is lent to the other."""
        state = checkpoint["state_dict"]
        other = {f"{NETWORK}{name}": value for name, value in self._average.module.state_dict().items()}
        average, trained = (state, other) if self.lent else (other, state)
        checkpoint["state_dict"] = average
        checkpoint[AVERAGING] = {"trained": trained, "count": int(self._average.n_averaged)}

    @property
    def _average(self) -> AveragedModel:
        if self.average is None:
            raise RuntimeError("the training has not begun, so there is no average of its weights yet")
        return self.average

    @torch.no_grad()
    def _exchange(self, pl_module: pl.LightningModule) -> None:
        for average, value in zip(_tensors(self._average.module), _tensors(_network(pl_module)), strict=True):
            held = average.clone()
            average.copy_(value)
            value.copy_(held)
        self.lent = not self.lent


def _network(module: pl.LightningModule) -> nn.Module:
    return module.get_submodule("network")


def _of_network(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(NETWORK): value for name, value in state.items()}


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    return chain(network.parameters(), network.buffers())
