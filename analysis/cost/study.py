"""What a study has cost, row by row and in all, and what is to be said of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from analysis.cells import Cells
from analysis.checks.notes import seeds_named, three_digits
from analysis.cost.measured import Machine
from analysis.cost.rows import RowCost, row_costs
from analysis.cost.spent import Spent, spent
from studies.definition.study import Study
from studies.records.records import Record

MEANING: Final = (
    "Cost: images/s in training, of the median epoch without its scoring; latency of one image's forward pass after "
    "the training, median; memory is the peak of torch's tensors on the first rank's GPU; mean ± standard deviation "
    "over a row's runs.",
    "To baseline: the ratio at the same seed on the same machine, geometric mean ± standard deviation. What else ran "
    "there is not recorded.",
)
"""What the columns of cost mean."""
PACE: Final = "images_per_second"


@dataclass(frozen=True, kw_only=True)
class StudyCost:
    """What a study's runs have cost: on which `machine` most were trained, each row, and what was `spent` in all."""

    machine: Machine = ()
    rows: Mapping[str, RowCost] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)

    @property
    def measured(self) -> bool:
        """Whether any run's cost is recorded."""
        return bool(self.machine)

    @property
    def notes(self) -> list[str]:
        """What the columns mean, where costs were measured, which runs are not in them, and what was spent."""
        lines = [*MEANING, f"Measured on {', '.join(self.machine)}."] if self.measured else []
        for row, cost in self.rows.items():
            for seeds, why in ((cost.elsewhere, "trained on another machine"), (cost.unmeasured, "not recorded")):
                if seeds and self.measured:
                    lines.append(f"Cost of {row!r} leaves out {seeds_named(seeds)}: {why}.")
        if not self.measured:
            lines.append("No complete run has its cost recorded: versions before this did not.")
        return [*lines, total(self.spent)]

    def values(self, row: str) -> dict[str, Any]:
        """Return a row's costs by flat name, for programs; empty for a row that is not known."""
        if row not in self.rows:
            return {}
        spreads = self.rows[row].spreads
        values: dict[str, Any] = {"measured_n": spreads[PACE].n, "measured_pairs": spreads[f"{PACE}_ratio"].n}
        for name, spread in spreads.items():
            values |= {name: spread.mean, f"{name}_sd": spread.sd}
        return values | {"device_hours": self.rows[row].device_hours}


def total(took: Spent) -> str:
    """Say what a study has taken in all."""
    parts = [f"{three_digits(took.complete)} in epochs of complete runs"]
    for hours, what in (
        (took.beside, "in their start-up and in epochs trained twice"),
        (took.unused, "in attempts that failed and runs that are not complete"),
        (took.search, f"in {took.search_runs} runs of the search"),
    ):
        parts += [f"{three_digits(hours)} {what}"] if hours else []
    untold = ""
    if took.untold:
        untold = f"; of {took.untold} attempt{'s' * (took.untold > 1)} nobody noted the end: these may be more"
    return f"The study took {three_digits(took.total)} device-hours: {', '.join(parts)}{untold}."


def study_cost(study: Study, records: Sequence[Record], cells: Cells, home: Mapping[str, str]) -> StudyCost:
    """Return what the `records` of a study have cost; `cells` are its complete runs, `home` is row -> baseline."""
    machine, rows = row_costs(cells, home)
    return StudyCost(machine=machine, rows=rows, spent=spent(study, records))


NO_COST: Final = StudyCost()
"""Of a study without any run."""
