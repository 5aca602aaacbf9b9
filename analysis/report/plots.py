"""The plots of a chapter: every kind that has something to show, and why the others have not."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.plots.drawn import Drawn
from analysis.plots.kinds import KINDS, draw
from analysis.table.build import Table
from studies.definition.study import Study
from studies.records.records import Record


def plots(study: Study, records: Sequence[Record], table: Table) -> tuple[list[Drawn], str]:
    """Return the figures in the order of `KINDS`, and a sentence about those that cannot be drawn, or none."""
    shown, absent = [], dict[str, list[str]]()
    for kind in KINDS:
        found = draw(kind, study, records, table)
        if isinstance(found, Drawn):
            shown.append(found)
        else:
            absent.setdefault(found.reason, []).append(kind)
    why = "; ".join(f"{', '.join(kinds)} ({reason})" for reason, kinds in absent.items())
    return shown, f"Not drawn: {why}." if why else ""
