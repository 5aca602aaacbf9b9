"""The manifest of a run folder, and the lines of its metrics: which fields they have, and of which type each is.

What is read from a run folder is checked here once. Every field may be absent, as in a record of an older version; what
a newer one has added is ignored, and kept in `entries`.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NamedTuple, Required, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    with_config,
)
from typing_extensions import TypedDict

from lightning_bam.json_text import fault
from lightning_bam.run_folder.files import FolderError

MOST: Final = 100_000
"""The largest number of attempts, losses or retries: who counts on stays there, and what is written can be read."""
AGAIN: Final = "edited, or torn; remove this run folder to train it again"


class Entry(NamedTuple):
    """The label of a field of `Environment`, and why figures change with it; empty where they should not.

    `absent` says what it means that a manifest has no such field.
    """

    label: str
    changes: str = ""
    absent: str = "not recorded"


ENTRIES: Final[Mapping[str, Entry]] = {
    "commit": Entry("commit"),
    "version": Entry("lightning-bam"),
    "torch": Entry("torch", "another torch computes with other kernels"),
    "torchvision": Entry("torchvision"),
    "timm": Entry("timm"),
    "pytorch_lightning": Entry("Lightning"),
    "python": Entry("Python"),
    "data": Entry("images", "other images"),
    "world_size": Entry("ranks a run", "another number of ranks adds in another order"),
    "device": Entry("device", "another device adds in another order"),
    "cpu": Entry("CPU instructions", "other vector instructions add in another order"),
    "threads": Entry("threads a rank", "other threads add in another order"),
    "host": Entry("host"),
    "code": Entry("own code", absent="none"),
    "weights": Entry("backbone weights", absent="none"),
}
"""field -> its label, and whether it changes numbers."""


def _date(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date as 2026-01-02T03:04:05+00:00") from None
    return text


Word = Annotated[str, Field(max_length=1_000)]
Ending = Annotated[Word, AfterValidator(lambda word: "interrupted" if word == "lost" else word)]
"""A state, or the cause of an end; what older versions called "lost" is interrupted."""
Text = Annotated[str, Field(max_length=100_000)]
Date = Annotated[str, Field(max_length=100), AfterValidator(_date)]
Few = Annotated[int, Field(ge=0, le=MOST)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Number = Annotated[float, Field(gt=-1e39, lt=1e39)]
Percent = Annotated[float, Field(ge=0, le=100)]
Share = Annotated[float, Field(ge=0, le=1)]
Pace = Annotated[float, Field(gt=0, lt=1e12)]
PLACE: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
"""What the layer that an attention module stands behind can be called."""
PLACES: Final = 256
"""Gates that an epoch's line can have."""
Place = Annotated[str, Field(pattern=f"^{PLACE.pattern}$")]


class Environment(BaseModel):
    """Where, when and with what a run was trained; None where that is not recorded."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    started: Date | None = None
    device: Word | None = None
    threads: Few | None = None
    world_size: Few | None = None
    runs_per_device: Few | None = None
    data: Word | None = None
    version: Word | None = None
    commit: Word | None = None
    torch: Word | None = None
    torchvision: Word | None = None
    timm: Word | None = None
    pytorch_lightning: Word | None = None
    python: Word | None = None
    host: Word | None = None
    cpu: Word | None = None
    code: Annotated[str, Field(pattern="^[0-9a-f]{16}$")] | None = None
    weights: Word | None = None

    @property
    def devices(self) -> float | None:
        """How many devices it had: one a rank, or its share of one; None where the ranks are not recorded."""
        return None if self.world_size is None else self.world_size / (self.runs_per_device or 1)


class Cost(BaseModel):
    """What a run has cost, as its last attempt has measured it on the first rank; None where it has not.

    `images` are those that an epoch trains on, all ranks together, `epoch_seconds` the median seconds, without scoring,
    of those that the attempt has trained whole, `latency` the seconds of one image's forward pass, `memory` the most
    bytes that tensors took on the GPU. On a CPU it has the `processor`'s model. `ranks_here` is how many ranks were to
    share the host.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    images: Count | None = None
    epoch_seconds: Annotated[float, Field(gt=0, lt=1e9)] | None = None
    latency: Annotated[float, Field(gt=0, lt=1e9)] | None = None
    memory: Count | None = None
    processor: Word | None = None
    ranks_here: Few | None = None


class Attempt(Environment):
    """One attempt at a run, resumed at `from_epoch` and `from_batch` or `anew`; `cause` and `failed` are what ended it.

    `damaged` is what was wrong with a checkpoint that it could not resume from. It `ended` where somebody was there to
    note it.
    """

    attempt: Few | None = None
    nonce: Word | None = None
    anew: bool = False
    failed: Text | None = None
    from_epoch: Few | None = None
    from_batch: Count | None = None
    cause: Ending | None = None
    damaged: Text | None = None
    ended: Date | None = None


class Manifest(Environment):
    """What `manifest.json` holds: the environment of the last attempt, all attempts, the `studies` with their rules.

    `losses`, `retries` and `tried_again` count interruptions and retries. `run_folder.hashes` checks `sha256`.
    """

    _entries: Mapping[str, Any] = PrivateAttr(default_factory=dict)
    layout: Few | None = Field(None, alias="schema")
    key: Word | None = None
    state: Ending | None = None
    attempt: Few = 0
    attempts: list[Attempt] = []
    nonce: Word | None = None
    studies: dict[Word, dict[Word, Word]] | None = None
    anonymised: bool = False
    error: Text | None = None
    cause: Ending | None = None
    rank: Few | None = None
    traceback: Text | None = None
    losses: Few = 0
    retries: Few = 0
    tried_again: Few = 0
    first_batch: list[Count] | None = None
    first_loss: Number | None = None
    ended: Date | None = None
    fit_seconds: Number | None = None
    cost: Cost = Cost()
    sha256: Any = None

    @property
    def entries(self) -> Mapping[str, Any]:
        """The JSON object as it was read."""
        return self._entries

    @property
    def effective(self) -> Sequence[Attempt]:
        """The attempts that the figures rest on, the earliest first; a record of an older version is one."""
        if not self.attempts:
            return [Attempt.model_validate(self.entries)]
        return self.attempts[max((place for place, one in enumerate(self.attempts) if one.anew), default=0) :]

    def with_last(self, **entries: Any) -> list[dict[str, Any]]:
        """Return the attempts as JSON data, with these entries in the last one, if there is any."""
        attempts = [dict(one) for one in self.entries.get("attempts", ())]
        if attempts:
            attempts[-1] |= entries
        return attempts


def manifest_of(entries: Mapping[str, Any], path: object) -> Manifest:
    """Return what a `manifest.json` at `path` holds; FolderError for a field of another type."""
    try:
        manifest = Manifest.model_validate(entries)
    except ValidationError as error:
        raise FolderError(f"{path}: {fault(error)}; {AGAIN}") from None
    manifest._entries = entries
    return manifest


@with_config(ConfigDict(strict=True, allow_inf_nan=False))
class Gate(TypedDict):
    """A gate's mean value, and the share of its values that is saturated, on the first images that were scored."""

    mean: Share
    saturated: Share


@with_config(ConfigDict(strict=True, allow_inf_nan=False))
class Epoch(TypedDict, total=False):
    """A line of `metrics.jsonl`: the figures after an epoch, counted from 0.

    `images_per_s` are those that it trained on, all ranks together, by `train_seconds`; it is of epochs alone that one
    attempt has trained and scored whole. `memory_gib` is the most that tensors took on the first rank's GPU so far,
    `gates` what `training.gates` says of each place with one.
    """

    epoch: Required[Few]
    train_loss: Number
    error_top1: Percent | None
    error_top5: Percent | None
    correct_top1: Count | None
    correct_top5: Count | None
    map_50_95: Percent | None
    map_50: Percent | None
    map_75: Percent | None
    scored: Count | None
    loss: Number | None
    lr: Number
    seconds: Number
    train_seconds: Number
    images_per_s: Pace
    memory_gib: Annotated[float, Field(ge=0, lt=1e6)]
    gates: Annotated[dict[Place, Gate], Field(max_length=PLACES)]


TIMES: Final = ("seconds", "train_seconds", "images_per_s", "memory_gib")
"""What an epoch's line holds of the clock, the second without its scoring, and of the GPU: no two trainings agree."""
_EPOCH: Final = TypeAdapter(Epoch)


def epoch_of(data: Any, path: object, number: int) -> dict[str, Any]:
    """Return what a line of a `metrics.jsonl` at `path` holds, as it was written; FolderError for another type."""
    try:
        _EPOCH.validate_python(data)
    except ValidationError as error:
        raise FolderError(f"{path}: line {number}: {fault(error)}; {AGAIN}") from None
    return cast(dict[str, Any], data)


def now() -> str:
    """Return the time as a manifest has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


KEPT: Final = 20
"""Attempts that are kept of those that no figure rests on, the last ones."""
LONGEST: Final = 300
"""Characters of its error that are kept with an attempt; the manifest and the log have more of the last one."""


def after_failure(manifest: Manifest, *, failed: bool = True) -> list[dict[str, Any]]:
    """Return the attempts of a run as JSON data, the last one with its cause, and where it has failed its error."""
    if not manifest.attempts or manifest.attempts[-1].failed is not None:
        return manifest.with_last()
    cause = {"cause": manifest.cause} if manifest.cause else {}
    error = {"failed": (manifest.error or "no reason is recorded")[:LONGEST]} if failed else {}
    return manifest.with_last(**cause, **error)


def earlier(manifest: Manifest, *, resumed: bool) -> list[dict[str, Any]]:
    """Return, as JSON data, the attempts before one that resumes from a checkpoint, or else begins anew."""
    attempts = after_failure(manifest, failed=manifest.state == "failed")
    return attempts if resumed else attempts[-KEPT:]


SHARED: Final = {
    name: entry.label for name, entry in ENTRIES.items() if name not in ("python", "host", "code", "weights")
}
"""Entries of an attempt that the runs of one comparison should share, and what a note calls them."""


def failures(manifest: Manifest) -> tuple[str, ...]:
    """Return the causes of the attempts that had failed before the figures came."""
    return tuple(str(attempt.cause) for attempt in manifest.attempts if attempt.failed is not None)
