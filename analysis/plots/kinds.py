"""The plots of a study by name: which there are, and one of them drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from lightning_bam.config import nearest
from studies.errors import StudyError

if TYPE_CHECKING:
    from analysis.plots.plot import NoPlot, Plot
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


def check_kind(kind: str) -> str:
    """Return the kind; StudyError, with the nearest, where there is none of that name."""
    if kind not in KINDS:
        raise StudyError(f"plot {kind!r}: no such kind; {nearest(kind, KINDS)}")
    return kind


def draw(kind: str, study: Study, records: Sequence[Record], table: Table) -> Plot | NoPlot:
    """Draw one of `KINDS`, or say why it has nothing to show."""
    check_kind(kind)
    from analysis.factorial.study import factorial_of
    from analysis.plots import curves, effects, factorial, pareto, published, seeds

    match kind:
        case "effects":
            return effects.effects(table, study.margin)
        case "marginal":
            return factorial.marginal(factorial_of(study, records), study.scale)
        case "interaction":
            return factorial.interaction(factorial_of(study, records), study.scale)
        case "pareto":
            return pareto.pareto(table)
        case "curves":
            return curves.curves(table, records)
        case "published":
            return published.published(table)
        case "seeds":
            return seeds.seeds(table)
    raise NotImplementedError(f"no case draws {kind!r}")
