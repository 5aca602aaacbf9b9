"""Who hears of a run while it is trained: Optuna's trial and the progress view at the scheduler, W&B in the worker.

All hear the same three events and are only written to: what becomes of the run is in its folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lightning_bam.run_folder.folder import State
from lightning_bam.run_folder.result import Result


@dataclass(frozen=True, kw_only=True)
class End:
    """How an attempt ended, with the exit code of its process group; `again` where this scheduler goes on with the run.

    The state is the run's; `running` says that another attempt has taken it over. `error` is one line, of which
    `traceback` tells more.
    """

    state: State
    code: int = 0
    result: Result | None = None
    cause: str = ""
    error: str = ""
    traceback: str = ""
    again: bool = False


class Observer(Protocol):
    """Hears of one run."""

    def start(self) -> None:
        """Hear that an attempt has begun."""

    def epoch(self, line: Mapping[str, Any]) -> None:
        """Hear an epoch's line of `metrics.jsonl`."""

    def end(self, end: End) -> None:
        """Hear how the attempt ended."""
