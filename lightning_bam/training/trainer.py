"""Lightning's Trainer as a run wants it."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy, Strategy

from lightning_bam.config import Run
from lightning_bam.distributed import broadcast
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.training.checkpoint import AtomicCheckpointIO

PRECISION = {"32": "32-true", "bf16": "bf16-mixed"}


def trainer(
    run: Run, folder: RunFolder, device: str, world: int, callbacks: list[pl.Callback], logger: Logger | None
) -> pl.Trainer:
    """Make a Trainer that does nothing behind our back: no sampler, bar, summary, sanity check or selection."""
    keep = LastCheckpoint(
        dirpath=folder.checkpoint.parent,
        filename=folder.checkpoint.stem,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return pl.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        num_nodes=world // int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        strategy=_strategy(device, world),
        precision=PRECISION[run.recipe.precision],  # type: ignore[arg-type]
        max_epochs=run.recipe.epochs,
        check_val_every_n_epoch=run.recipe.epochs if run.detects else 1,  # a detector is scored once
        logger=logger if logger is not None else False,
        callbacks=[*callbacks, keep],
        # one rank says where it is, too: else Lightning asks mpi4py, which starts MPI, where that is installed
        plugins=[AtomicCheckpointIO(folder), *([LightningEnvironment()] if world == 1 else [])],
        sync_batchnorm=run.recipe.sync_batchnorm and device == "cuda" and world > 1,  # torch has none on CPU
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1_000_000,
        default_root_dir=folder.path,
    )


class LastCheckpoint(ModelCheckpoint):
    """The last epoch's checkpoint, which remembers nothing of earlier ones.

    Lightning keeps the path of the one before in each, and once it has gone on from one it removes what stands there,
    whoever has written that.
    """

    @property
    def state_key(self) -> str:
        """The name under which Lightning's own keeps its state, so that it finds in older checkpoints nothing amiss."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: no path, which would tell where the run was trained."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Believe nothing of what a checkpoint says."""


@contextmanager
def without_defaults() -> Iterator[None]:
    """Hide Lightning's variables, PL_..., by which it fills in what nobody told a Trainer (`PL_TRAINER_MAX_STEPS`)."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PL_")}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _strategy(device: str, world: int) -> Strategy:
    """One device in this process, or DDP among the ranks that torch's launcher started."""
    if world == 1:
        return SingleDeviceStrategy(device="cuda:0" if device == "cuda" else "cpu")
    launched = "TORCHELASTIC_RUN_ID" in os.environ
    environment = TorchElasticEnvironment() if launched else LightningEnvironment()
    backend = "nccl" if device == "cuda" else "gloo"
    return Ranks(cluster_environment=environment, process_group_backend=backend)


class Ranks(DDPStrategy):
    """DDP whose ranks tell each other JSON where Lightning's unpickle what comes over a socket."""

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        """Return what rank `src` has: a path, a number, None (a collective call)."""
        return broadcast(obj, src, self.root_device)


def quiet() -> None:
    """Silence the advice that does not apply: there are no worker processes on purpose."""
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message="The `srun` command is available on your system")
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable")  # the data module is
    warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.. is deprecated.*")
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
