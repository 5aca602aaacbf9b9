"""A run folder that was copied and given another name: two cells of a study with one training behind them."""

from collections.abc import Iterable

from lightning_bam.run_folder.files import FolderError
from studies.records.records import Record


def refuse_copies(records: Iterable[Record]) -> None:
    """Make sure that each of a study's runs was trained for itself; FolderError, which names both folders, for a copy.

    Its manifest, where training writes the key, names another run than the folder; or two runs of different seeds, and
    so of another order of the data, have the same record line by line, seconds included. Runs of one seed that agree
    are what `analysis.checks.identical_rows` names.
    """
    alike: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        if record.state == "missing":
            continue
        if record.key_noted != record.run.key:
            raise FolderError(
                f"{record.folder.path}/manifest.json: is of run {record.key_noted}, not of {record.run.key}: copied "
                "from there? remove this run folder to train it again"
            )
        if not record.epochs:
            continue
        group = alike.setdefault((record.epochs, record.first_epoch_loss, record.result), [])
        for other in group:
            if other.run.seed != record.run.seed and other.metrics == record.metrics:
                raise FolderError(
                    f"{record.folder.path} ({record.row!r}, seed {record.run.seed}): metrics.jsonl is identical to "
                    f"that of {other.folder.path} ({other.row!r}, seed {other.run.seed}), though another seed is "
                    "another order of the data: copied? remove the copy to train it again"
                )
        group.append(record)
