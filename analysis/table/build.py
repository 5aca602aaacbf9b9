"""The table of a study: one row a variant, each compared with the baseline seed by seed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from analysis.cells import Counts, begun, counted, finished, unfinished, with_seeds
from analysis.checks import notes
from analysis.checks.copied_folders import refuse_copies
from analysis.checks.failed_attempts import several_tries
from analysis.checks.footnotes import Footnote, footnotes, marks
from analysis.checks.identical_rows import identical_rows
from analysis.checks.unlisted import Unlisted
from analysis.checks.unpaired_seeds import failures, unpaired
from analysis.environment import device_hours
from analysis.table.comparison import Comparison, compare, conclude
from analysis.table.interim import seeds_wanted
from analysis.table.model import Row
from analysis.table.published import BILLION, MILLION, besides, compared
from analysis.table.verdict import Verdict, reproduced, without_figures
from lightning_bam.run_folder.result import METRICS, Metric
from studies.definition.stopping import Stopping
from studies.definition.study import Study
from studies.paper.published import Published
from studies.records.records import Record


@dataclass(frozen=True, kw_only=True)
class Table:
    """A study's answer so far: its rows in order, what to beware of, and what it is conditional on.

    `baselines` has one row a panel, and panels differ in the slots `within`; `metric` is what is compared;
    `comparisons` is what p-values are adjusted for: every row of the whole study, finished, shown or not. `footnotes`
    are the notes that rows' marks refer to; `device_hours` are those of the finished runs. `margin` is the largest
    difference that is too small to matter, `stopping` the rule by which seeds are given, if there is one;
    `unlisted` is what the record has of the study that it has not.
    """

    study: str
    question: str
    baselines: tuple[str, ...]
    within: tuple[str, ...]
    metric: Metric
    rows: list[Row]
    notes: list[str]
    fixed: dict[str, str]
    comparisons: int
    margin: float | None = None
    stopping: Stopping | None = None
    footnotes: tuple[Footnote, ...] = ()
    device_hours: float = 0.0
    unlisted: Unlisted = field(default_factory=Unlisted)

    @property
    def mixes_code(self) -> bool:
        """Whether some runs were made by other code or from other images than most."""
        return any(footnote.mixes_code for footnote in self.footnotes)

    @property
    def complete(self) -> bool:
        """Whether every wanted run is complete."""
        return all(row.n == row.wanted for row in self.rows)

    @property
    def failed(self) -> bool:
        """Whether some run has failed."""
        return any(row.states["failed"] for row in self.rows)

    @property
    def prints_counts(self) -> bool:
        """Whether the paper prints the size of some row's network."""
        return any(row.printed_params or row.printed_macs for row in self.rows)

    def beside(self, unlisted: Unlisted) -> Table:
        """Return the table that also says what the record has of the study and it has not."""
        first = len(self.footnotes) + 1  # and how many seeds it has
        notes = [*self.notes[:first], *unlisted.notes, *self.notes[first:]]
        return replace(self, notes=notes, unlisted=unlisted)


def tabulate(records: Sequence[Record], study: Study, costs: Mapping[str, tuple[int, int]] | None = None) -> Table:
    """Join a study with the records of its runs and compare each row with the baseline, seed by seed.

    Args:
        records: what `studies.records.records.gather` found; a wanted run without a record counts as missing.
        study: what was asked.
        costs: row -> (parameters, multiply-accumulates of one image), for rows without a finished run.

    Raises:
        ValueError: a record of another study, or a run that was scored on held-out data, not on test.
        FolderError: a run folder that was copied from another.

    """
    every = finished(records, study)
    refuse_copies(records)
    home = {row: panel.baseline for panel in study.panels for row in panel.rows}
    against = compare({row: _figures(runs, study.metric) for row, runs in every.items()}, home, study)
    wanted = seeds_wanted({row: found.interim for row, found in against.items() if found.interim}, home, study)
    cells = with_seeds(every, wanted)
    states = unfinished(records, wanted)
    counts = {row: counted(runs, (costs or {}).get(row)) for row, runs in cells.items()}
    alike = identical_rows(begun(records, study), study.panels, counts)
    found = footnotes(cells, study.baselines)
    failed = failures(records, wanted) if study.stopping is None else {}  # Δ of a rule has all seeds of its look
    alone = unpaired(cells, home, failed)
    likened, tried = {row: identical.note for row, identical in alike.items()}, several_tries(cells)
    rows = [
        _row(
            label,
            study,
            runs,
            baseline=home[label],
            states=states[label],
            counts=counts[label],
            failed=len({*failed.get(label, ()), *failed.get(home[label], ())}),
            against=against.get(label),
            unchanged=label in alike and alike[label].whole and alike[label].other == home[label],
            marked=marks(found, label),
            notes=tuple(told[label] for told in (alone, tried, likened) if label in told),
        )
        for label, runs in cells.items()
    ]
    trained = [record for runs in cells.values() for record in runs.values()]
    hours, known = device_hours(trained)
    return Table(
        study=study.label,
        question=study.question,
        baselines=study.baselines,
        within=study.within,
        metric=study.scale,
        rows=rows,
        notes=[
            *(footnote.line for footnote in found),
            notes.coverage(wanted, cells, states),
            *notes.other_seeds(study.left_out, study.added),
            *notes.ruled_elsewhere(study.ruled_by, [row for row, runs in cells.items() if runs]),
            *notes.partial(len(against), study.comparisons),
            *(note for told in (alone, tried, likened) for note in told.values()),
            *notes.split_norm(trained),
            *notes.trained_with(trained, found),
            *notes.device_time(hours, known, len(trained)),
        ],
        fixed=study.fixed(),
        comparisons=study.comparisons,
        margin=study.margin,
        stopping=study.stopping,
        footnotes=found,
        device_hours=hours,
    )


def _row(
    label: str,
    study: Study,
    runs: Mapping[int, Record],
    *,
    baseline: str,
    states: Counter[str],
    counts: Counts,
    failed: int,
    against: Comparison | None,
    unchanged: bool,
    marked: tuple[str, ...],
    notes: tuple[str, ...],
) -> Row:
    figures = _figures(runs, study.metric)
    values = list(figures.values())
    wanted, said = len(runs) + states.total(), Verdict(kind="baseline")
    if against is not None:
        known = bool(values) or unchanged
        said = without_figures(states)
        if known:
            said = conclude(against, study, wanted=wanted, failed=failed, unchanged=unchanged)
    against = against or Comparison(delta=None)
    params, macs = counts
    paper = study.printed(label) or Published()
    published = float(paper.values[study.metric]) if study.metric in paper.values else None
    printed_params, printed_macs = compared(params, paper.params, MILLION), compared(macs, paper.macs, BILLION)
    differs = any(count is not None and count.equal is False for count in (printed_params, printed_macs))
    return Row(
        label=label,
        params=params,
        macs=macs,
        errors=figures,
        n=len(values),
        wanted=wanted,
        mean=_mean(values),
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
        top5=_mean(list(_figures(runs, "error_top5").values())),
        delta=against.delta,
        p_holm=against.p_holm,
        differences=against.differences,
        p_tost=against.p_tost,
        interim=against.interim,
        verdict=said,
        published=published,
        reproduced=reproduced(values, published),
        states=states,
        baseline=baseline,
        printed_params=printed_params,
        printed_macs=printed_macs,
        others=tuple(
            besides(metric, text, list(_figures(runs, metric).values()))
            for metric, text in paper.values.items()
            if metric != study.metric
        ),
        note=" ".join(filter(None, (paper.note if differs else "", paper.counted_note))),
        marks=marked,
        notes=notes,
    )


def _figures(runs: Mapping[int, Record], metric: str) -> dict[int, float]:
    name = METRICS[metric].name
    found = {seed: getattr(record.result, name) for seed, record in runs.items() if record.result}
    return {seed: figure for seed, figure in found.items() if figure is not None}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
