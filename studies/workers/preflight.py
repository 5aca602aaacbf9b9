"""What is checked before anything is started: that every row can be built and stepped, and that its data is there."""

from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from typing import Any

from lightning_bam.config import ConfigError, Run, from_dict, to_dict
from lightning_bam.user_code.load import Source, load, own_parts, sources
from studies.job.devices import Slot
from studies.workers.launch import ask


def preflight(
    context: ForkServerContext, rows: Mapping[str, Run], slots: Sequence[Slot], *, noun: str = "row"
) -> dict[str, int]:
    """Check devices and every row (label -> run) in one process that has torch loaded; data is downloaded, once.

    Returns the multiply-accumulates that each row's network makes of one image. A `ConfigError` is about a GPU that is
    not there, or the first row that cannot be trained on a slot's devices; `noun` is what a label is called there.
    """
    gpus = [index for slot in slots for index in slot.gpus]
    own = {source: None for run in rows.values() for source in sources(run)}
    described = {row: to_dict(run) for row, run in rows.items()}  # classes of the user's own are not known there yet
    macs: dict[str, int] = ask(context, __name__, "check", (described, list(own), slots[0].world, gpus, noun))
    return macs


def check(question: tuple[dict[str, Any], list[Source], int, list[int], str]) -> dict[str, int]:
    """Find the GPUs, build each row on the meta device and load each dataset; return each row's MACs."""
    import torch

    from lightning_bam.data.run_data import RunData
    from lightning_bam.network import build
    from lightning_bam.training.check import check as check_run
    from lightning_bam.training.own_check import check_own
    from lightning_bam.training.tasks import data_of
    from lightning_bam.user_code.build import told

    described, own, ranks, gpus, noun = question
    load(own)
    rows = {row: from_dict(run) for row, run in described.items()}
    if gpus and max(gpus) >= (visible := torch.cuda.device_count()):
        instead = f"use 0 to {visible - 1}, or cpu:N" if visible else "use cpu:N"
        seen = f"{visible} GPUs" if visible > 1 else "1 GPU" if visible else "no GPU"
        raise ConfigError(
            f"--devices {max(gpus)}: torch {torch.__version__} sees {seen} here; {instead}; `bam doctor` says more"
        )
    loaded, macs = dict[Any, RunData](), dict[str, int]()
    for row, run in rows.items():
        try:
            if (key := (run.dataset, run.recipe, run.score_on, run.task)) not in loaded:
                loaded[key] = data_of(run)
                loaded[key].check(ranks)
            check_own(run, loaded[key])
            if getattr(run.backbone, "weights", None):
                build(run)  # reads the file
            macs[row] = check_run(run).macs
        except ConfigError as error:
            raise ConfigError(f"{noun} {row!r}: {error}") from None
        except Exception as error:  # a mistake in a person's code, in a place that nothing above looks at
            if not own_parts(run):
                raise
            raise ConfigError(f"{noun} {row!r}: {told(error)}") from error
    return macs
