"""The manifest of a run folder and the lines of its metrics: which fields they have, and of which type each is.

What is read from a run folder is checked here once, so that whoever uses it need not. Every field may be absent, as in
a record of an older version; what a newer one has added is kept and let be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, cast

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from lightning_bam.json_text import fault
from lightning_bam.run_folder.files import FolderError

MOST: Final = 100_000
"""The largest number of attempts, losses or retries: who counts on stays there, and what is written can be read."""
AGAIN: Final = "edited, or torn; remove this run folder to train it again"


def _date(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date as 2026-01-02T03:04:05+00:00") from None
    return text


Word = Annotated[str, Field(max_length=1_000)]
Text = Annotated[str, Field(max_length=100_000)]
Date = Annotated[str, Field(max_length=100), AfterValidator(_date)]
Few = Annotated[int, Field(ge=0, le=MOST)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Number = Annotated[float, Field(gt=-1e39, lt=1e39)]
Percent = Annotated[float, Field(ge=0, le=100)]
_STRICT: Final = ConfigDict(strict=True, allow_inf_nan=False)


@with_config(_STRICT)
class Made(TypedDict, total=False):
    """Where, when and with what a run was trained."""

    started: Date | None
    device: Word | None
    threads: Few | None
    world_size: Few | None
    data: Word | None
    version: Word | None
    commit: Word | None
    torch: Word | None
    torchvision: Word | None
    pytorch_lightning: Word | None
    python: Word | None
    host: Word | None
    cpu: Word | None


@with_config(_STRICT)
class Attempt(Made, total=False):
    """One attempt at a run; `from_epoch` and `from_batch` say where it went on, `anew` that it did not.

    `cause` and `failed` say what ended it, `damaged` what was wrong with a checkpoint from which it could not go on;
    `nonce` is its own.
    """

    attempt: Few
    nonce: Word | None
    anew: bool
    failed: Text | None
    from_epoch: Few
    from_batch: Count
    cause: Word | None
    damaged: Text


@with_config(_STRICT)
class Manifest(Made, total=False):
    """What `manifest.json` holds: of the last attempt what it was made with, and the list of all.

    `losses`, `retries` and `tried_again` count how often the run was interrupted and how often it was tried all the
    same; `studies` says for which studies it was begun, and under which rule. The type of
    `sha256` is for `run_folder.hashes` to check.
    """

    schema: Few
    key: Word
    state: Word
    attempt: Few
    attempts: list[Attempt]
    nonce: Word | None
    studies: dict[Word, dict[Word, Word]] | None
    anonymised: bool
    error: Text | None
    cause: Word | None
    rank: Few | None
    traceback: Text | None
    losses: Few
    retries: Few
    tried_again: Few
    first_batch: list[Count]
    first_loss: Number | None
    ended: Date | None
    fit_seconds: Number
    sha256: Any


@with_config(_STRICT)
class Epoch(TypedDict, total=False):
    """A line of `metrics.jsonl`: the figures after an epoch, counted from 0."""

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


@with_config(_STRICT)
class Numbered(Epoch):
    """A line that says of which epoch it is, as every line does."""

    epoch: Few


_MANIFEST: Final = TypeAdapter(Manifest)
_EPOCH: Final = TypeAdapter(Numbered)


def manifest_of(data: dict[str, Any], path: object) -> Manifest:
    """Return what a `manifest.json` at `path` holds; what older versions called "lost" is interrupted.

    Raises:
        FolderError: a field of another type.

    """
    if (wrong := fault(_MANIFEST, data)) is not None:
        raise FolderError(f"{path}: {wrong}; {AGAIN}")
    manifest = cast(Manifest, data)
    for told in (manifest, *manifest.get("attempts", ())):
        told.update({name: "interrupted" for name in ("state", "cause") if told.get(name) == "lost"})
    return manifest


def epoch_of(data: Any, path: object, number: int) -> dict[str, Any]:
    """Return what a line of a `metrics.jsonl` at `path` holds, as it was written.

    Raises:
        FolderError: a field of another type, or no object.

    """
    if (wrong := fault(_EPOCH, data)) is not None:
        raise FolderError(f"{path}: line {number}: {wrong}; {AGAIN}")
    return cast(dict[str, Any], data)


KEPT: Final = 20
"""Attempts that are kept of those that nothing rests on any more, the last ones."""
LONGEST: Final = 300
"""Characters of what an attempt failed of that are kept with it; the manifest and the log have more of the last one."""


def after_failure(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the attempts of a run that has failed, the last one with what it failed of."""
    made = _ended(manifest)
    if made and "failed" not in made[-1]:
        made[-1] |= {"failed": str(manifest.get("error") or "no reason is recorded")[:LONGEST]}
    return made


def earlier(manifest: Mapping[str, Any], *, resumed: bool) -> list[dict[str, Any]]:
    """Return the attempts that came before one that goes on from a checkpoint, or else begins anew."""
    made = after_failure(manifest) if manifest.get("state") == "failed" else _ended(manifest)
    return made if resumed else made[-KEPT:]


def effective(manifest: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the attempts that the figures rest on, the earliest first; a record of an older version is one."""
    made = manifest.get("attempts") or [manifest]
    return made[max((place for place, one in enumerate(made) if one.get("anew")), default=0) :]


def _ended(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the attempts, the last one with the cause of its end, where one is recorded."""
    made = [dict(one) for one in manifest.get("attempts") or ()]
    if made and manifest.get("cause") and "failed" not in made[-1]:
        made[-1] |= {"cause": manifest["cause"]}
    return made
