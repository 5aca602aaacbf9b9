"""The lines below a table that say what its figures mean and what they are conditional on."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.table import Table


def legend(table: Table) -> list[str]:
    """Explain the columns, then name what is fixed."""
    count = table.comparisons
    adjusted = f", Holm-adjusted for {count} comparison{'' if count == 1 else 's'}" if count else ""
    lines = [
        "Error: top-1 test error of the last epoch, mean ± sample standard deviation (n seeds).",
        f"Δ: mean difference to {table.baseline!r} in percentage points, paired by seed, with its 95 % t "
        f"interval (not adjusted); p: paired t-test{adjusted}.",
        "A row is better or worse where p < 0.05; the seeds it still needs are for 80 % power, "
        "if the Δ and spread seen so far persist. Seeds added because of a look at this table make its p too "
        "small: confirm with fresh ones.",
    ]
    if any(row.published is not None for row in table.rows):
        lines.append(
            "Published: the paper's error (%); reproduced where it lies in the 95 % prediction interval of "
            "one more run and that is at most ± 1 point wide."
        )
    return [*lines, f"Fixed: {fixed_facts(table.fixed)}."]


def fixed_facts(fixed: Mapping[str, str]) -> str:
    """Write flat names as one line, slot by slot: `backbone small_resnet (depth 8, width 16); seed 0`."""
    slots: dict[str, list[str]] = {}
    for name in fixed:
        slot, _, knob = name.partition(".")
        knobs = slots.setdefault(slot, [])
        if knob:
            knobs.append(f"{knob} {fixed[name]}")
    shown = []
    for slot, knobs in slots.items():
        kind = f" {fixed[slot]}" if slot in fixed else ""
        shown.append(f"{slot}{kind}" + (f" ({', '.join(knobs)})" if knobs else ""))
    return "; ".join(shown)
