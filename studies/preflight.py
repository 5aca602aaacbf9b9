"""What is found out before anything is started: that every row can be built, and that its data is there."""

from __future__ import annotations

from collections.abc import Mapping
from multiprocessing.context import ForkServerContext

from lightning_bam.config import ConfigError, Run
from studies.launch import ask


def preflight(context: ForkServerContext, rows: Mapping[str, Run], ranks: int) -> None:
    """Check every row in one process that has torch loaded; data that can be downloaded is, once.

    Raises:
        ConfigError: the first row that cannot be trained on `ranks` devices, and why.

    """
    ask(context, "studies.preflight", "check", (dict(rows), ranks))


def check(question: tuple[dict[str, Run], int]) -> None:
    """Build each row on the meta device and load each dataset.

    Raises:
        ConfigError: the first problem, with the row's name.

    """
    from lightning_bam.cost import count
    from lightning_bam.data import ImageData

    rows, ranks = question
    seen: dict[object, ImageData] = {}
    for row, run in rows.items():
        try:
            same = (run.dataset, run.recipe, run.score_on)
            if same not in seen:
                seen[same] = ImageData(run)
                seen[same].check(ranks)
            count(run)
        except ConfigError as error:
            raise ConfigError(f"row {row!r}: {error}") from None
