"""Tables whose rows have the size of their network also where no run has counted it yet."""

from collections.abc import Sequence

from analysis.table.build import Table, tables
from lightning_bam.config import Run
from studies.definition.study import Study
from studies.records.counts import counts
from studies.records.records import Record


def tables_of(studies: Sequence[tuple[Study, Sequence[Record]]]) -> list[Table]:
    """Return each study's table; the costs of rows without a finished run are counted, all in one go."""
    uncounted: dict[str, Run] = {}
    for study, records in studies:
        finished = {record.row for record in records if record.result is not None}
        uncounted |= {f"{study.label}, {row}": run for row, run in study.rows.items() if row not in finished}
    costs = counts(uncounted)
    by_label = {
        study.label: {row: costs[name] for row in study.rows if (name := f"{study.label}, {row}") in costs}
        for study, _ in studies
    }
    return tables(studies, by_label)
