"""`bam rm`: remove runs, with what W&B has recorded of them here."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from analysis.cli.arguments import RUNS, argument
from analysis.cli.output import counted, size
from analysis.cli.selection import root_of
from lightning_bam.config import nearest
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from studies.errors import StudyError
from studies.records.purpose import KEY
from studies.records.removal import remove
from studies.terminal.text import one_line
from studies.tracking.store import records as wandb_records
from studies.tracking.store import remove_records

ARGUMENTS = (
    argument(
        "run",
        nargs="+",
        metavar="RUN",
        help="a run's key, or how it begins; or a study as `bam list` calls it, for all runs that it has begun",
    ),
    argument("--yes", action="store_true", help="remove them (else they are named, and stay)"),
    *RUNS,
)


@dataclass(frozen=True, kw_only=True)
class Doomed:
    """A run that is to be removed: for which rows of studies it was begun, and how many bytes it takes with W&B's."""

    key: str
    state: str
    seed: int | None
    studies: dict[str, dict[str, str]]
    bytes: int
    wandb: int


def execute(arguments: argparse.Namespace) -> int:
    """Name what is to be removed, and with --yes remove it; nothing where one of it is being trained."""
    root = root_of(arguments)
    doomed = [examined(root, key) for key in keys_of(arguments.run, root)]
    for run in doomed:
        print(line_of(run))
    for warning in warnings(doomed, arguments):
        print(f"bam rm: {one_line(warning)}", file=sys.stderr)
    if running := [run.key for run in doomed if run.state == "running"]:
        raise FolderError(f"{root / running[0]}: is being trained; end that first (nothing was removed)")
    total = f"{counted(len(doomed), 'run')}, {size(sum(run.bytes for run in doomed))}"
    if not arguments.yes:
        print(f"bam rm: {total}: nothing was removed; say --yes to remove them", file=sys.stderr)
        return 0
    with ExitStack() as stack:
        hosts = None
        if arguments.storage is not None:
            from studies.coordination.registry import open_registry  # loads SQLAlchemy

            hosts = stack.enter_context(closing(open_registry(root, arguments.storage)))
            entries = hosts.entries()
            if elsewhere := [run.key for run in doomed if run.key in entries and entries[run.key].elsewhere]:
                raise StudyError(f"{elsewhere[0]}: another host trains it; end that first (nothing was removed)")
        for run in doomed:
            remove(root, run.key, run.state, run.seed, run.studies)
            remove_records(root, run.key)
        if hosts is not None:
            hosts.forget([run.key for run in doomed])
    print(f"bam rm: removed {total}", file=sys.stderr)
    return 0


def keys_of(texts: Iterable[str], root: Path) -> list[str]:
    """Return the keys of the runs that these texts name under `root`, each once."""
    names = sorted(os.listdir(root)) if root.is_dir() else []  # noqa: PTH208
    every = [name for name in names if KEY.fullmatch(name)]
    begun: dict[str, list[str]] | None = None
    keys: dict[str, None] = {}
    for text in texts:
        if text in every:
            keys.setdefault(text)
            continue
        begun = by_label(root, every) if begun is None else begun
        matches = begun.get(text) or [key for key in every if text and key.startswith(text)]
        if not matches:
            hint = f"; {nearest(text, begun or every)}" if every else ""  # a key that is near is another run's
            raise FolderError(f"{text!r}: neither a study that has begun runs under {root} nor a run's key{hint}")
        if text not in begun and len(matches) > 1:
            names_ = ", ".join(matches[:5])
            raise FolderError(f"{text!r}: {len(matches)} runs under {root} begin so: {names_}")
        keys.update(dict.fromkeys(matches))
    return list(keys)


def by_label(root: Path, keys: Iterable[str]) -> dict[str, list[str]]:
    """Return which runs each study or search has begun."""
    runs: dict[str, list[str]] = {}
    for key in keys:
        for label in examined(root, key, measured=False).studies:
            runs.setdefault(label, []).append(key)
    return runs


def examined(root: Path, key: str, *, measured: bool = True) -> Doomed:
    """Return what is known of a run folder, which may be damaged, and with `measured` how large it is."""
    folder = RunFolder(root / key)
    state, seed, studies = "unreadable", None, dict[str, dict[str, str]]()
    try:
        studies = folder.manifest().studies or {}
        state = folder.state()
        seed = folder.run().seed if measured else None
    except FolderError:
        pass
    recorded = wandb_records(root, key) if measured else []
    sizes = [sum(map(bytes_in, part)) for part in ([folder.path] if measured else [], recorded)]
    return Doomed(key=key, state=state, seed=seed, studies=studies, bytes=sum(sizes), wandb=len(recorded))


def bytes_in(folder: Path) -> int:
    """Return the bytes of the files in a folder, of a link its own."""
    return sum(os.lstat(Path(home, file)).st_size for home, _, files in os.walk(folder) for file in files)


def line_of(run: Doomed) -> str:
    """Return the line of a run."""
    rows = [f"{label}, row {entry.get('row', '?')}, seed {run.seed}" for label, entry in run.studies.items()]
    recorded = f", {run.wandb} of W&B's records" if run.wandb else ""
    return one_line(f"{run.key}  {run.state}  {'; '.join(rows) or 'of no study'}  ({size(run.bytes)}{recorded})")


def warnings(doomed: Sequence[Doomed], arguments: argparse.Namespace) -> list[str]:
    """Say what else hangs on these runs: rules that they were begun under, other studies, and W&B's server."""
    ruled: Counter[tuple[str, str]] = Counter()
    for run in doomed:
        ruled.update((label, entry.get("declared", "?")) for label, entry in run.studies.items() if "rule" in entry)
    lines = [
        f"begun under the stopping rule of {label!r} (declared {declared[:10]}): {counted(number, 'run')}; the rule "
        "stays: trained again they count, dropped for good they are a look that it did not allow"
        for (label, declared), number in ruled.items()
    ]
    if any(run.state in ("complete", "failed") and run.studies for run in doomed):
        lines.append("until they are trained again, a table of their study says that results were removed")
    if shared := [run.key for run in doomed if len(run.studies) > 1]:
        lines.append(f"begun for more than one study: {counted(len(shared), 'run')}, as {shared[0]}")
    if any(run.wandb for run in doomed):
        lines.append("what W&B's server has of them stays there")
    if arguments.storage is not None:
        lines.append("other hosts that have these runs in their own folders publish them again: remove them there, too")
    return lines
