"""The plots of a study by name: which there are, and one of them drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from lightning_bam.config import nearest
from studies.errors import StudyError

if TYPE_CHECKING:
    from analysis.plots.drawn import Absent, Drawn
    from analysis.table.build import Table
    from studies.definition.study import Study
    from studies.records.records import Record

KINDS: Final = {
    "effects": "each row's difference to its baseline, with its interval and verdict",
    "marginal": "the mean at each level of each factor of a factorial study",
    "interaction": "each pair of factors of a factorial study",
    "pareto": "the figures against parameters and multiply-accumulates",
    "curves": "training loss and test figure by epoch, with a band over the seeds",
    "published": "the paper's figures beside ours",
    "seeds": "every seed's difference, and what a number of seeds resolves",
}
"""Every kind and what it shows, in the order of a report."""


def known(kind: str) -> str:
    """Return the kind.

    Raises:
        StudyError: there is none of that name; the message has the nearest.

    """
    if kind not in KINDS:
        raise StudyError(f"plot {kind!r}: no such kind; {nearest(kind, KINDS)}")
    return kind


def draw(kind: str, study: Study, records: Sequence[Record], table: Table) -> Drawn | Absent:
    """Draw one of `KINDS`, or say why it has nothing to show.

    Raises:
        StudyError: no such kind.

    """
    match known(kind):
        case "effects":
            from analysis.plots.effects import effects

            return effects(table, study.margin)
        case "marginal" | "interaction":
            from analysis.factorial.study import factorial_of
            from analysis.plots.marginal import interaction, marginal

            one = marginal if kind == "marginal" else interaction
            return one(factorial_of(study, records), study.scale)
        case "pareto":
            from analysis.plots.pareto import pareto

            return pareto(table)
        case "curves":
            from analysis.plots.curves import curves

            return curves(table, records)
        case "published":
            from analysis.plots.published import published

            return published(table)
        case _:
            from analysis.plots.seeds import seeds

            return seeds(table)
