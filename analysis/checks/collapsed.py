"""Runs that learned next to nothing: one of them moves a row's mean and spread so far that no t-test holds."""

from collections.abc import Mapping

from analysis.cells import Cells
from analysis.checks.notes import seeds_named
from lightning_bam.config import Classification, ConfigError, Run

SHARE = 0.9
"""Of the error of chance, from which on a run is near it: a tenth of the way to no error, or less."""
TIMES = 2
"""Times the accuracy of chance, up to which a run is near it: what telling two classes of many apart gives."""


def collapsed(rows: Cells) -> dict[str, str]:
    """Say of each row which of its complete runs, `rows`, have an error near chance.

    Chance is right in one of C classes. A run is near it where its top-1 error is at least `SHARE` of chance's and its
    accuracy at most `TIMES` chance's: from 45 % of 2 classes on, 81 % of 10, 98 % of 100. Nothing is said of detectors
    and of other tasks, nor where the number of classes cannot be told here.
    """
    notes = {}
    for row, runs in rows.items():
        classes = {seed: count for seed, record in runs.items() if (count := _classes(record.run))}
        errors = {
            seed: error
            for seed, count in classes.items()
            if (result := runs[seed].result)
            and (error := result.error_top1) is not None
            and error >= max(SHARE * chance(count), 100 - TIMES * 100 / count)
        }
        if errors:
            notes[row] = _note(row, errors, chance(classes[next(iter(errors))]))
    return notes


def chance(classes: int) -> float:
    """Return the error in percent of answers that have nothing to do with the image."""
    return 100 * (1 - 1 / classes)


def _note(row: str, errors: Mapping[int, float], least: float) -> str:
    shown = ", ".join(f"{error:.1f}" for error in errors.values())
    one = "one such run moves" if len(errors) == 1 else "such runs move"
    return (
        f"Row {row!r} collapsed at {seeds_named(sorted(errors))} (error {shown} %, chance {least:.1f} %): {one} mean "
        "and sd so far that interval and p do not hold."
    )


def _classes(run: Run) -> int | None:
    """Return the number of classes of a classifier's data; None where it has none, or a folder that is not here."""
    if not isinstance(run.actual_task, Classification):
        return None
    try:
        return run.dataset.classes
    except (ConfigError, NotImplementedError):
        return None
