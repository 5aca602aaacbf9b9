"""What the scheduler hands to a process group: which folder to train, where, and how to track it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from lightning_bam.user_code.load import Source
from studies.definition.study import Study, presets_of
from studies.job.devices import Slot

WandbMode = Literal["off", "offline", "online"]

FULL: Final = 74
"""Exit code of a group that could not write because the disk is full; the run can be resumed."""
TAKEN: Final = 77
"""Exit code of a group whose run folder another attempt has taken over; what is there is that one's."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a run is trained for, as W&B shows it beside the run: the `question`, at which `presets`, `varied` knobs.

    `sweep` is the id of the W&B sweep of a search.
    """

    question: str = ""
    presets: tuple[str, ...] = ()
    varied: tuple[str, ...] = ()
    sweep: str | None = None

    @classmethod
    def of(cls, study: Study) -> "About":
        """Return what the runs of a study are trained for."""
        return cls(question=study.question, presets=presets_of(study), varied=study.scientific)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run on one slot.

    `ranks_here` is how many ranks share this host's cores while it trains, those of other runs included;
    `monitor` is whether W&B records the system and what the run prints, too, `alert` whether it sends an alert where
    the run is the first to fail, `about` what it shows beside the run;
    `purpose` is what the manifest keeps of the study beside its row: how it judges and was asked (`records.purpose`),
    and the seal of the rule that its seeds follow, if there is one (`stopping_rules.declaration.seal`);
    `nonce` is the attempt's, as its scheduler has begun it; `code` is where classes of the user's own stand.
    """

    folder: Path
    study: str
    row: str
    slot: Slot
    threads: int = 1
    wandb: WandbMode = "offline"
    monitor: bool = True
    alert: bool = False
    about: About = About()
    ranks_here: int = 1
    purpose: Mapping[str, str] = field(default_factory=dict)
    nonce: str | None = None
    code: tuple[Source, ...] = ()
