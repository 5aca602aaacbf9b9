"""Who may train which run between processes: what a scheduler asks, and the answer where a folder's locks are all."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Entry:
    """A run between hosts: its state, who has it, whether that one is alive, and `beat`, its last heartbeat.

    `here` says that it was on this host and under this runs folder, whose lock and files say more.
    """

    key: str
    state: str
    holder: str | None
    alive: bool
    here: bool
    beat: datetime | None

    @property
    def elsewhere(self) -> bool:
        """Whether another host trains it right now."""
        return self.state == "running" and self.holder is not None and self.alive and not self.here


class Counts(NamedTuple):
    """How often a run was interrupted on all hosts since it was last retried, and how often it was retried."""

    losses: int = 0
    retries: int = 0


class Coordination:
    """What schedulers that see the same runs agree on; each holds the lock of a run's folder before it asks.

    By itself it serves those who all see the runs folder: whoever holds the lock of a run's folder has its lease. One
    between hosts is one file and overrides what it needs; its tests inherit `tests.studies.coordination.contract`.
    """

    shared = False
    """Whether hosts take part that do not see this runs folder; then records travel through it."""

    def take(self, key: str, *, again: datetime | None = None) -> Counts | None:  # noqa: ARG002
        """Take the lease of a run and return what all hosts have counted; None where it is not ours.

        It is not where the run is complete, has failed, or another host that is alive has it. One that has failed is
        taken `again`, if that attempt's last heartbeat was this one.
        """
        return Counts()

    def heartbeat(self, keys: Iterable[str]) -> set[str]:  # noqa: ARG002
        """Send a heartbeat for these runs, and return those of them that somebody else has taken over."""
        return set()

    def give_back(self, key: str, state: str, record: Mapping[str, Any] | None = None, *, losses: int = 0) -> None:
        """End a lease and say what became of the run; with its record where there is something to keep."""

    def entries(self) -> dict[str, Entry]:
        """Return the entry of every run between hosts, without the records."""
        return {}

    def records(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:  # noqa: ARG002
        """Return the records of these runs, as far as there are any; one that is damaged or too large is empty."""
        return {}

    def publish(self, key: str, state: str, record: Mapping[str, Any]) -> None:
        """Publish a run that has ended without a lease, or whose lease nobody gave back, unless it is complete."""

    def forget(self, keys: Iterable[str]) -> None:
        """Remove the entries of these runs, unless somebody has them by now."""

    def exclusively(self) -> AbstractContextManager[None]:
        """Keep every other host out of what is done meanwhile; a `StudyError` where another has been in it too long."""
        return nullcontext()

    def close(self) -> None:
        """Close the connections."""
