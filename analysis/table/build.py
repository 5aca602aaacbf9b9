"""The table of a study: one row a variant, each compared with the baseline seed by seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from analysis.cells import Cells, Counts, begun, finished, homes, unfinished
from analysis.checks import notes
from analysis.checks.collapsed import collapsed
from analysis.checks.copied_folders import refuse_copies
from analysis.checks.footnotes import Footnote, footnotes, marks, pretrained
from analysis.checks.identical_rows import IdenticalRow, identical_rows
from analysis.checks.unlisted import NOTHING, Unlisted, unlisted, with_dropped
from analysis.checks.unpaired_seeds import failed_runs, overturned, several_tries, unpaired
from analysis.cost.study import NO_COST, StudyCost, study_cost
from analysis.environment import device_hours
from analysis.table.best import best_rows
from analysis.table.comparison import Comparison, compare, conclude
from analysis.table.interim import failures, seeds_wanted
from analysis.table.model import Row
from analysis.table.published import (
    BILLION,
    MILLION,
    compared,
    compatible,
    compatible_difference,
    mean_sd,
    printed_figure,
    published_difference,
)
from analysis.table.verdict import Verdict
from lightning_bam.config import Metric
from studies.definition.stopping import Stopping
from studies.definition.study import Selection, Study
from studies.paper.published import Published
from studies.records.records import Record


@dataclass(frozen=True, kw_only=True)
class Table:
    """A study's answer so far: its rows in order, what to beware of, and what it is conditional on.

    `baselines` has one row a panel, and panels differ in the slots `within`; p-values are adjusted for `comparisons`,
    every row of the whole study, rows dropped from it included. `notes` begin with the `footnotes`, which rows' marks
    refer to, and hold the `choices` that may have been made after a look; `made` says how its runs were made. `margin`
    is the largest difference that is too small to matter; `unlisted` is what the record has and the study has not,
    `declared` its own baseline where another row was asked for in its place. What it has
    cost is printed where it `shows_costs`.
    """

    study: str
    question: str
    baselines: tuple[str, ...]
    within: tuple[str, ...]
    metric: Metric
    rows: list[Row]
    notes: list[str]
    made: list[str]
    fixed: dict[str, str]
    comparisons: int
    margin: float | None = None
    stopping: Stopping | None = None
    footnotes: tuple[Footnote, ...] = ()
    device_hours: float = 0.0
    choices: tuple[str, ...] = ()
    declared: str = ""
    unlisted: Unlisted = NOTHING
    costs: StudyCost = NO_COST
    shows_costs: bool = False

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
    def counts_failures(self) -> bool:
        """Whether some row's verdict takes pairs that failed into account."""
        return any(row.delta and (row.verdict.failed or (row.interim and row.interim.passed)) for row in self.rows)

    @property
    def refused(self) -> tuple[int, int]:
        """How many of the published figures and differences our runs refuse, and how many they were held against."""
        said = [word for row in self.rows for word in (row.compatible, row.compatible_delta)]
        said += [other.compatible for row in self.rows for other in row.others]
        told = Counter(said)
        refused = told["not compatible"]
        return refused, refused + told["compatible"] + told["cannot tell"]

    @property
    def prints_counts(self) -> bool:
        """Whether the paper prints the size of some row's network."""
        return any(row.printed_params or row.printed_macs for row in self.rows)


def tables(
    studies: Sequence[tuple[Study, Sequence[Record]]], planned: Mapping[str, Mapping[str, Counts]] | None = None
) -> list[Table]:
    """Return each study's table, beside what the record has of it; `planned` is that of `tabulate`, by label."""
    beside = unlisted(studies)
    return [
        tabulate(records, study, (planned or {}).get(study.label), beside.get(study.label, NOTHING))
        for study, records in studies
    ]


def tabulate(
    records: Sequence[Record], study: Study, planned: Mapping[str, Counts] | None = None, beside: Unlisted = NOTHING
) -> Table:
    """Join a study with the records of its runs and compare each row with the baseline, seed by seed.

    `planned` is row -> (parameters, multiply-accumulates of one image), for rows without a finished run, `beside` is
    what the record has and the study has not. Raises ValueError: a record of another study or scored on held-out data;
    FolderError: a run folder that was copied from another.
    """
    refuse_copies(records)
    selection = Selection.of(study)
    study = with_dropped(study, beside)
    results = finished(records, study)
    home = homes(study)
    figures = {row: _figures(runs, study.metric) for row, runs in results.items()}
    comparisons = compare(figures, home, study, failures(records))
    looks = {row: one.interim for row, one in comparisons.items() if one.interim}
    wanted = seeds_wanted(looks, home, study)
    cells = {row: {seed: run for seed, run in runs.items() if seed in wanted[row]} for row, runs in results.items()}
    states = unfinished(records, wanted)
    counts = {row: _counts(runs, (planned or {}).get(row)) for row, runs in cells.items()}
    identical = identical_rows(begun(records, study), study.panels, counts)
    environments = footnotes(cells, study.baselines)
    remarks = (
        unpaired(cells, home, failed_runs(records), looks),
        overturned({row: one.overturned for row, one in comparisons.items()}),
        *_of_runs(cells, identical),
    )
    best = best_rows({row: _figures(runs, study.metric) for row, runs in cells.items()}, study, looks)
    rows = []
    for label, runs in cells.items():
        comparison = comparisons.get(label)
        unchanged = label in identical and identical[label].whole and identical[label].other == home[label]
        verdict = conclude(comparison, study, len(runs), states[label], unchanged=unchanged)
        row = _row(label, study, cells, counts[label], comparison or ALONE, verdict, states[label], home[label])
        row = replace(row, notes=tuple(remark[label] for remark in remarks if label in remark))
        rows.append(replace(row, best=label in best, marks=marks(environments, label)))
    trained = [record for runs in cells.values() for record in runs.values()]
    choices = (*beside.notes(study.comparisons, selection.comparisons), *notes.asked(selection))
    return Table(
        study=study.label,
        question=study.question,
        baselines=study.baselines,
        declared=selection.declared,
        within=study.within,
        metric=study.scale,
        rows=rows,
        notes=[
            *(footnote.line for footnote in environments),
            notes.coverage(wanted, cells, states),
            *choices,
            *notes.ruled_elsewhere(selection.ruled_by, [row for row, runs in cells.items() if runs]),
            *notes.another_baseline(study.baselines[0], selection.declared, study.comparisons),
            *([] if selection.declared else notes.partial(len(comparisons), selection.study.comparisons)),
            *notes.so_far([row.label for row in rows if row.verdict.so_far and row.verdict.claims]),
            *(note for remark in remarks for note in remark.values()),
            *pretrained(cells),
            *notes.split_norm(trained),
        ],
        made=[*notes.trained_with(trained, environments), *notes.device_time(trained)],
        fixed=study.fixed(),
        comparisons=study.comparisons,
        margin=study.margin,
        stopping=study.stopping,
        footnotes=environments,
        device_hours=device_hours(trained)[0],
        costs=study_cost(study, records, cells, home),
        choices=choices,
        unlisted=beside,
    )


ALONE: Final = Comparison(delta=None)
"""A baseline, which is compared with nothing."""


def _of_runs(cells: Cells, identical: Mapping[str, IdenticalRow]) -> tuple[Mapping[str, str], ...]:
    """Return what is to be said of rows' own runs, row by row."""
    return several_tries(cells), {row: one.note for row, one in identical.items()}, collapsed(cells)


def _row(
    label: str,
    study: Study,
    cells: Cells,
    counts: Counts,
    comparison: Comparison,
    verdict: Verdict,
    states: Counter[str],
    baseline: str,
) -> Row:
    runs = cells[label]
    figures, base = _figures(runs, study.metric), _figures(cells[baseline], study.metric)
    paired = comparison.interim.looked if comparison.interim else [seed for seed in figures if seed in base]
    values = list(figures.values())
    mean, sd = mean_sd(values)
    paper = study.printed(label) or Published()
    published = float(paper.values[study.metric]) if study.metric in paper.values else None
    published_delta = None
    if label != baseline:
        published_delta = published_difference(paper, study.printed(baseline) or Published(), study.metric)
    params, macs = counts
    printed_params, printed_macs = compared(params, paper.params, MILLION), compared(macs, paper.macs, BILLION)
    differs = any(count is not None and count.equal is False for count in (printed_params, printed_macs))
    return Row(
        label=label,
        params=params,
        macs=macs,
        errors=figures,
        n=len(values),
        wanted=len(runs) + states.total(),
        mean=mean,
        sd=sd,
        top5=mean_sd(list(_figures(runs, "error_top5").values()))[0],
        delta=comparison.delta,
        p_adjusted=comparison.p_adjusted,
        p_holm=comparison.p_holm,
        differences=comparison.differences,
        p_tost=comparison.p_tost,
        interim=comparison.interim,
        verdict=verdict,
        published=published,
        compatible=compatible(values, published),
        published_delta=published_delta,
        compatible_delta=compatible_difference(
            [figures[seed] for seed in paired], [base[seed] for seed in paired], comparison.delta, published_delta
        ),
        states=states,
        baseline=baseline,
        printed_params=printed_params,
        printed_macs=printed_macs,
        others=tuple(
            printed_figure(metric, text, list(_figures(runs, metric).values()))
            for metric, text in paper.values.items()
            if metric != study.metric
        ),
        note=" ".join(filter(None, (paper.note if differs else "", paper.counted_note))),
    )


def _figures(runs: Mapping[int, Record], metric: str) -> dict[int, float]:
    figures = {seed: record.result.figure(metric) for seed, record in runs.items() if record.result}
    return {seed: figure for seed, figure in figures.items() if figure is not None}


def _counts(runs: Mapping[int, Record], planned: Counts | None) -> Counts:
    """Return what a finished run has counted, else what is `planned`."""
    result = next((record.result for record in runs.values() if record.result), None)
    return (result.params, result.macs) if result else planned or (None, None)
