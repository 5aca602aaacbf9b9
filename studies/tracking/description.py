"""What W&B is told of a run before its first step."""

from collections.abc import Iterable, Mapping
from platform import node
from typing import Any, Final

from lightning_bam.config import Run, to_dict
from lightning_bam.run_folder.provenance import commit
from studies.definition.limits import shortened
from studies.job.job import Job
from studies.tracking.connection import NAME, project
from studies.tracking.names import ROWS, row_key

JOB_TYPE: Final = 64
"""Bytes that a job type can have in W&B, and a tag; `row` in the config has all of a row's name."""
STUDY: Final = "study:"
"""How the tag of a study begins: a run that several share has one of each."""


def description(job: Job, run: Run) -> dict[str, Any]:
    """Return the arguments of `wandb.init` that say what a run is: its id is its key, its group the study.

    The config is that of `run.json`, with `study`, `row`, `commit` and `host` of this training, and `rows`, to which
    the analysis run of another study that shares the run adds the row that it is there.
    """
    seed = f" / seed {run.seed}"
    return {
        "project": project(),
        "id": run.key,
        "group": shortened(job.study, NAME),
        "name": f"{shortened(job.row, NAME - len(seed))}{seed}",
        "job_type": shortened(job.row, JOB_TYPE),
        "notes": job.about.question,
        "tags": tags(job, run),
        "config": {
            **config_of(run),
            "study": job.study,
            "row": job.row,
            ROWS: {row_key(job.study): job.row},
            "commit": commit(),
            "host": node(),
        },
    }


def config_of(run: Run) -> dict[str, Any]:
    """Return a run as `run.json` has it: W&B filters by what stands inside a slot, as `attention.reduction`."""
    slots = to_dict(run)
    return slots | {"attention": slots["attention"] or {"kind": "none"}}


def study_tag(label: str) -> str:
    """Return the tag by which the runs of a study are found, whichever study has trained them."""
    return shortened(f"{STUDY}{label}", JOB_TYPE)


def tags(job: Job, run: Run) -> list[str]:
    """Return what tells runs of a project apart, as `study:reduction`, `preset:small`, `dataset:digits`."""
    kinds: Mapping[str, str] = {
        "dataset": run.dataset.kind,
        "backbone": run.backbone.kind,
        "attention": run.attention.kind if run.attention else "none",
    }
    texts = [shortened(f"{slot}:{kind}", JOB_TYPE) for slot, kind in kinds.items()]
    return [study_tag(job.study), *preset_tags(job.about.presets), *texts]


def preset_tags(presets: Iterable[str]) -> list[str]:
    """Return the tags of the scales at which a study is asked."""
    return [shortened(f"preset:{name}", JOB_TYPE) for name in presets]


def pinned(job: Job) -> list[str]:
    """Return the keys of the config that the page of a run shows first: the slots that its study varies lead."""
    slots = (name.partition(".")[0] for name in job.about.varied)
    return list(dict.fromkeys((*slots, "row", "seed", "study")))
