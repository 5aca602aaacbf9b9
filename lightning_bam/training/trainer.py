"""Lightning's Trainer as a run wants it."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
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
    return pl.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        num_nodes=world // int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        strategy=_strategy(device, world),
        precision=PRECISION[run.recipe.precision],  # type: ignore[arg-type]
        gradient_clip_val=run.recipe.clip_grad_norm,  # of the ranks' mean gradient, after DDP has made it
        gradient_clip_algorithm="norm",
        max_epochs=run.recipe.epochs,
        check_val_every_n_epoch=1 if run.actual_task.each_epoch else run.recipe.epochs,
        logger=logger if logger is not None else False,
        callbacks=callbacks,
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
    environment = TorchElasticEnvironment() if "TORCHELASTIC_RUN_ID" in os.environ else LightningEnvironment()
    return Ranks(cluster_environment=environment, process_group_backend="nccl" if device == "cuda" else "gloo")


class Ranks(DDPStrategy):
    """DDP whose ranks tell each other JSON where Lightning's unpickle what comes over a socket."""

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        """Return what rank `src` has: a path, a number, None (a collective call)."""
        return broadcast(obj, src, self.root_device)


ADVICE: Final = (
    ".*does not have many workers.*",  # there are none on purpose
    "The `srun` command is available on your system",
    ".*your dataloader is not resumable",  # the data module is
    ".*callbacks used to create the checkpoint need to be provided.*",  # older ones have ModelCheckpoint's state
    ".*GPU available but not used.*",
    ".*isinstance.treespec, LeafSpec.. is deprecated.*",
    ".*smaller than the logging interval.*",
)
"""Lightning's warnings that do not apply."""


def quiet() -> None:
    """Silence `ADVICE` and Lightning's progress messages."""
    for message in ADVICE:
        warnings.filterwarnings("ignore", message=message)
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
