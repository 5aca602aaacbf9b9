"""The run folder: the whole record of one training run, readable without torch.

run.json        what to train; written once, before anything else
metrics.jsonl   one line an epoch
manifest.json   where, when, with what and for which studies it was trained; its first batch and its loss; its state; in
                the end, hashes
result.json     the reported figures; whole or absent
rank*.log       what each rank printed (launcher.log: what started several)
checkpoints/    last.ckpt, from which an interrupted run goes on; weights and optimizer of the last epoch once complete
stop            why the run should leave at the end of the epoch it is in; only while it is asked to
within.json     how far the epoch is that is being trained, about once a second; only while it is
*.damaged       what an attempt could not go on from, since it was torn or contradicted the rest
lock            held (flock) by the process group that trains, so that a dead one is known for dead
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast
from uuid import uuid4

from lightning_bam.config import ConfigError, Run, from_dict, to_dict
from lightning_bam.json_text import parse, short
from lightning_bam.run_folder.files import (
    FolderError,
    append_line,
    put_away,
    put_in_place,
    read_object,
    read_text,
    refuse,
    remove,
    replace,
    system_error,
    write_object,
)
from lightning_bam.run_folder.lock import acquire, locked
from lightning_bam.run_folder.manifest import Manifest, epoch_of, manifest_of, now
from lightning_bam.run_folder.result import Result

MOST_WITHIN: Final = 1e12
"""What no number of batches or images a second reaches."""
SCHEMA: Final = 1
"""Version of the folder's layout; a folder of another version is refused, never rewritten."""

State = Literal["missing", "running", "interrupted", "failed", "pruned", "complete"]


class TakenOverError(FolderError):
    """Another attempt has begun in this run folder, and what is in it is that one's alone."""


class Within(NamedTuple):
    """How far a training is within epoch `epoch` (from 0): `batches` of `of`, and the images/s of the last second."""

    epoch: int
    batches: int
    of: int
    images_per_s: float


class RunFolder:
    """One run's folder, `<root>/<key>`; `nonce` is that of the attempt that writes through it, None for a reader.

    Every method raises FolderError for a file that it cannot trust, as a link; those that write for an attempt raise
    TakenOverError once another one has begun.
    """

    def __init__(self, path: Path | str, nonce: str | None = None) -> None:
        self.path = Path(path)
        self.nonce = nonce

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @classmethod
    def of(cls, root: Path, run: Run) -> RunFolder:
        """Return the folder that `run` has under `root`, whether or not it exists."""
        return cls(f"{root}/{run.key}")

    @property
    def log(self) -> Path:
        """What the first rank printed."""
        return self.path / "rank0.log"

    @property
    def checkpoint(self) -> Path:
        """The last epoch's checkpoint."""
        return self.path / "checkpoints" / "last.ckpt"

    def at(self, name: str) -> str:
        """Return the path of a file of this folder, as `run.json`, that need not exist; no link may lead there."""
        folder = str(self.path)  # with ten thousand runs, joining a `Path` takes as long as opening it
        refuse(folder, stat.S_IFDIR)
        if "/" in name:
            refuse(f"{folder}/{name.rpartition('/')[0]}", stat.S_IFDIR)
        return f"{folder}/{name}"

    def has(self, name: str) -> bool:
        """Say whether a plain file of this folder is there."""
        path = self.at(name)
        refuse(path, stat.S_IFREG)
        return os.path.lexists(path)

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a last epoch's checkpoint."""
        return self.has("checkpoints/last.ckpt")

    def describe(self, run: Run) -> None:
        """Write `run.json` unless it is there; what is there must describe the same run."""
        if self.has("run.json") and self.holds(run):
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FolderError(f"{self.path}: cannot make this run folder ({error.strerror})") from None
        write_object(self.at("run.json"), {"schema": SCHEMA, "key": run.key, "run": to_dict(run)})

    def run(self) -> Run:
        """Read `run.json`."""
        path = self.at("run.json")
        data = read_object(path)
        if data is None:
            raise FolderError(f"{path}: no such file; not a run folder")
        if data.get("schema") != SCHEMA:
            raise FolderError(
                f"{path}: written with schema {short(data.get('schema'))}, this version reads {SCHEMA}; "
                "use the version that wrote it or another --root"
            )
        try:
            run = from_dict(data["run"])
        except (ConfigError, KeyError, TypeError, AttributeError) as error:
            raise FolderError(f"{path}: written by another version: {error}") from None
        if data.get("key") != run.key:
            raise FolderError(
                f"{path}: says key {short(data.get('key'))} but describes run {run.key}: edited, or written by another "
                "version; use another --root or remove the folder"
            )
        return run

    def holds(self, run: Run) -> bool:
        """Make sure that `run.json` describes `run`; False where there is none."""
        data = read_object(self.at("run.json"))
        if data is None:
            return False
        if data != {"schema": SCHEMA, "key": run.key, "run": to_dict(run)}:
            described = self.run()  # read closely: an older version may have written it
            if described.key != run.key:
                raise FolderError(
                    f"{self.path}/run.json describes run {described.key}, expected {run.key}; remove a copy"
                )
        return True

    def metrics(self, lines: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Read the epochs so far, of `lines` where the file has just been read.

        A torn last line is skipped, unless the run claims to be complete; any other unreadable line is an error.
        """
        return [self._epoch(number, line) for number, line in enumerate(self.lines() if lines is None else lines, 1)]

    def last_epoch(self, lines: Sequence[str] | None = None) -> tuple[int, dict[str, Any]]:
        """Return how many epochs there are and the last one, which alone is looked into; empty where there is none."""
        lines = self.lines() if lines is None else lines
        return len(lines), self._epoch(len(lines), lines[-1]) if lines else {}

    def _text(self, name: str) -> str:
        """Read a file of this folder, empty where it is not there."""
        path = self.at(name)
        try:
            return read_text(path)
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise FolderError(f"{path}: cannot be read ({error})") from None

    def lines(self) -> list[str]:
        """Read the epochs so far as they are written, a line each; see `metrics`."""
        *lines, tail = self._text("metrics.jsonl").split("\n")
        if tail and self.has("result.json"):
            raise FolderError(
                f"{self.path}/metrics.jsonl: torn: line {len(lines) + 1} ends in {tail[-20:]!r}, in a run that claims "
                "to be complete; remove this run folder to train it again"
            )
        return lines

    def _epoch(self, number: int, line: str) -> dict[str, Any]:
        path = f"{self.path}/metrics.jsonl"
        try:
            data = parse(line)
        except ValueError:
            raise FolderError(
                f"{path}: torn: line {number} is {line[:40]!r}, not a JSON object; remove this run folder to train it "
                "again"
            ) from None
        return epoch_of(data, path, number)

    def keep_epochs(self, count: int) -> None:
        """Cut the metrics back to the first `count` epochs, whole lines only (what the checkpoint knows)."""
        self.check_attempt()
        text = "".join(json.dumps(line) + "\n" for line in self.metrics(self.lines()[:count] if count else []))
        replace(self.at("metrics.jsonl"), text)

    def append_epoch(self, line: Mapping[str, Any]) -> None:
        """Append one epoch, whole or not at all."""
        self.check_attempt()
        append_line(self.at("metrics.jsonl"), json.dumps(line))

    def result(self) -> Result | None:
        """Read the reported figures, or None where the run has not finished."""
        data = read_object(self.at("result.json"))
        if data is None:
            return None
        try:
            return Result.of(data)
        except TypeError as error:
            raise FolderError(f"{self.path}/result.json: edited, or written by another version ({error})") from None

    def finish(self, result: Result) -> None:
        """Write `result.json`: from here on the run is complete."""
        self.check_attempt()
        write_object(self.at("result.json"), result.figures())

    def manifest(self) -> Manifest:
        """Read the manifest; empty where there is none."""
        path = self.at("manifest.json")
        return manifest_of(read_object(path) or {}, path)

    def note(self, **entries: Any) -> None:
        """Add entries to the manifest."""
        write_object(self.at("manifest.json"), {**self.check_attempt().entries, **entries})

    def end(self, state: str, **entries: Any) -> None:
        """Note the state in which an attempt ends, and when, in it, unless that is noted or it never began."""
        manifest = self.check_attempt()
        last = manifest.attempts[-1] if manifest.attempts else None
        begun = last is not None and last.nonce is not None and last.nonce == self.nonce and last.ended is None
        ended = {"attempts": manifest.with_last(ended=now())} if begun else {}
        write_object(self.at("manifest.json"), {**manifest.entries, "state": state, **ended, **entries})

    def begin(self) -> None:
        """Begin an attempt: no earlier one that still lives, as on a host whose lock is not seen, writes here again."""
        self.nonce = uuid4().hex
        write_object(self.at("manifest.json"), {**self.manifest().entries, "nonce": self.nonce})
        self.put_away_contradiction()

    def check_attempt(self) -> Manifest:
        """Return the manifest, unless another attempt has begun than the one that writes through this object."""
        manifest = self.manifest()
        if self.nonce and manifest.nonce not in (None, self.nonce):
            raise TakenOverError(f"{self.path}: another attempt has begun in this run folder and has taken it over")
        return manifest

    def put_away_contradiction(self) -> None:
        """Let an incomplete run begin anew where its record is torn or contradicts itself; its lock is held."""
        manifest, metrics = Path(self.at("manifest.json")), Path(self.at("metrics.jsonl"))
        if self.has("result.json") or not (fault := self._contradiction()):
            return
        print(f"{fault}; the run begins anew", file=sys.stderr, flush=True)
        for file in (self.checkpoint, metrics, *([manifest] if fault.startswith(str(manifest)) else [])):
            put_away(file)

    def _contradiction(self) -> str:
        """Say what in the record is torn or contradicts itself; empty where nothing does."""
        try:
            self.manifest()
            epochs = [line.get("epoch") for line in self.metrics()]
        except FolderError as error:
            if system_error(error) is not None:  # it cannot be read, which says nothing of what it holds
                raise
            return str(error).partition("; ")[0]
        if epochs == list(range(len(epochs))):
            return ""
        return f"{self.path}/metrics.jsonl: holds epochs {epochs}"

    def request_stop(self, reason: str) -> None:
        """Have the process that trains this run stop at the end of an epoch, as pruned; a new attempt forgets it."""
        self.check_attempt()
        replace(self.at("stop"), reason + "\n")

    def stop_reason(self) -> str | None:
        """Return why the run should stop, or None."""
        return self._text("stop").strip() or None

    def withdraw_stop(self) -> None:
        """Take `request_stop` back."""
        remove(Path(self.at("stop")))

    def note_within(self, within: Within) -> None:
        """Say how far the epoch is, for whoever looks on; a disk that refuses it stops nothing."""
        path = Path(self.at("within.json"))
        with suppress(OSError), put_in_place(path, follow=False) as temporary, temporary.open("x") as file:
            file.write(json.dumps(within._asdict()))  # not synchronised: a crash may lose it

    def within(self) -> Within | None:
        """Return how far the epoch is; None where nobody says so, or in no words of ours."""
        with suppress(FolderError, TypeError):
            data = Within(**read_object(self.at("within.json")) or {})
            sound = all(isinstance(value, int | float) and 0 <= value < MOST_WITHIN for value in data)
            return data if sound and data.batches <= data.of else None
        return None

    def forget_within(self) -> None:
        """Take back what `note_within` said."""
        with suppress(OSError, FolderError):
            remove(Path(self.at("within.json")))

    def state(self) -> State:
        """Say where the run stands, from the files and the lock alone."""
        if os.path.lexists(self.at("result.json")):
            return "complete"
        if locked(f"{self.path}/lock"):
            return "running"
        recorded = self.manifest().state
        if recorded in ("running", "complete"):  # complete is what has a result
            return "interrupted"
        return cast(State, recorded) if recorded in ("failed", "pruned", "interrupted") else "missing"

    def acquire(self) -> int | None:
        """Take the lock for as long as the descriptor, which ranks inherit, stays open; None as in `lock.acquire`."""
        return acquire(Path(self.at("lock")), self.path.parent)
