"""A run folder that was copied and given another name: two cells of a study with one training behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.result import Result
from studies.records.records import Record


def refuse_copies(records: Iterable[Record]) -> None:
    """Make sure that each of a study's runs was trained for itself.

    Two signs tell a copy. The manifest names another run than the folder: training writes the key there, and whoever
    copies a folder and describes it anew in `run.json` leaves it as it was. Or two runs of different seeds have the
    same record line by line, wall-clock seconds included: another seed is another order of the data, so not even a
    change that does nothing can make them agree. Runs of one seed that agree are not copies but what
    `analysis.checks.identical_rows` names. Finished runs are compared with finished ones, unfinished with unfinished.

    Raises:
        FolderError: a copy; the line names both folders.

    """
    alike: dict[object, list[Record]] = {}
    for record in records:
        if record.state == "missing":
            continue
        if record.key_noted != record.run.key:
            raise FolderError(
                f"{record.folder.path}/manifest.json: is of run {record.key_noted}, not of {record.run.key}: copied "
                "from there? remove this run folder to train it again"
            )
        if record.epochs:  # equal records agree in what costs next to nothing to compare
            alike.setdefault((record.epochs, record.first_epoch_loss), []).append(record)
    for group in alike.values():
        if len(group) > 1 and len({record.run.seed for record in group}) > 1:
            _compare(group)


def _compare(group: Sequence[Record]) -> None:
    """Refuse two runs of different seeds with the same record, line by line."""
    found: dict[tuple[Result | None, str], Record] = {}
    results = Counter(record.result for record in group)
    for record in group:
        if results[record.result] == 1:
            continue
        first = found.setdefault((record.result, str(record.metrics)), record)
        if first.run.seed != record.run.seed:
            raise FolderError(
                f"{record.folder.path} ({record.row!r}, seed {record.run.seed}): metrics.jsonl is identical to that "
                f"of {first.folder.path} ({first.row!r}, seed {first.run.seed}), though another seed is another "
                "order of the data: copied? remove the copy to train it again"
            )
