"""From a run to the LightningModule that trains it, and to its data."""

from typing import Any

from lightning_bam.config import Classification, ConfigError, Run
from lightning_bam.data import ImageData
from lightning_bam.data.run_data import RunData
from lightning_bam.detection.data import DetectionData
from lightning_bam.training.base_module import TrainedModule
from lightning_bam.training.classifier import Classifier
from lightning_bam.training.detector import DetectionTask
from lightning_bam.training.image_module import TaskModule
from lightning_bam.user_code.build import named, told


def data_of(run: Run) -> RunData:
    """Return the data module of a run: scenes for a detector, images for anything else."""
    return DetectionData(run) if run.detects else ImageData(run)


def module_of(run: Run) -> TrainedModule:
    """Return the LightningModule of a run; ConfigError for a network that cannot be built, or a task that has none."""
    task = run.actual_task
    try:
        module: Any = task.module(run) if task.code else None
    except ConfigError:
        raise
    except Exception as error:  # any mistake in a person's code is theirs to read, in one line
        raise ConfigError(f"{named(task)}: module(run) failed: {told(error)}") from error
    if module is not None and not isinstance(module, TrainedModule):
        raise ConfigError(f"{named(task)}: module(run) gave {type(module).__name__}, must be a TrainedModule")
    if module is not None:
        return module
    if isinstance(task, Classification):
        return Classifier(run)
    return DetectionTask(run) if run.detects else TaskModule(run)
