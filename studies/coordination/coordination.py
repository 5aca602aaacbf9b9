"""Who may train which run between processes: what a scheduler asks, and the answer where a folder's locks are all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Entry:
    """A run between hosts: its state, who has it, and whether that one has sent a heartbeat lately.

    `here` says that it was on this host and under this runs folder, whose lock and files say more. `beat` is the last
    heartbeat of whoever had it.
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


class Coordination(ABC):
    """What schedulers that see the same runs agree on; each holds the lock of a run's folder before it asks.

    An implementation is one file, and its tests inherit `tests.studies.coordination.contract`. What the other methods
    do by default is enough where all hosts share the runs folder.

    Attributes:
        shared: whether hosts take part that do not see this runs folder; then records travel through it.

    """

    shared: bool

    @abstractmethod
    def take(self, key: str, *, again: datetime | None = None) -> Counts | None:
        """Take the lease of a run, unless it is complete, has failed, or another host that is alive has it.

        Args:
            key: the run's key.
            again: take it although it failed, if that attempt's last heartbeat was this one.

        Returns:
            What all hosts have counted together; None where the lease is not ours.

        """

    @abstractmethod
    def heartbeat(self, keys: Iterable[str]) -> set[str]:
        """Send a heartbeat for these runs, and return those of them that somebody else has taken over."""

    @abstractmethod
    def give_back(self, key: str, state: str, record: Mapping[str, Any] | None = None, *, losses: int = 0) -> None:
        """End a lease and say what became of the run.

        Args:
            key: the run's key.
            state: its state.
            record: what another host needs to know of it, where there is something to keep.
            losses: how often it was interrupted, on all hosts together.

        """

    @abstractmethod
    def entries(self) -> dict[str, Entry]:
        """Return the entry of every run between hosts, without the records."""

    def records(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:  # noqa: ARG002
        """Return the records of these runs, as far as there are any; one that is damaged or too large is empty."""
        return {}

    def publish(self, key: str, state: str, record: Mapping[str, Any]) -> None:  # noqa: B027
        """Publish a run that has ended without a lease, or whose lease nobody gave back, unless it is complete."""

    def forget(self, keys: Iterable[str]) -> None:  # noqa: B027
        """Remove the entries of these runs, unless somebody has them by now."""

    def exclusively(self) -> AbstractContextManager[None]:
        """Keep every other host out of what is done meanwhile.

        Raises:
            StudyError: another one has been in it for too long.

        """
        return nullcontext()

    def close(self) -> None:  # noqa: B027
        """Close the connections."""


class FileLocks(Coordination):
    """All who take part see the runs folder: whoever holds the lock of a run's folder has its lease, to its end."""

    shared = False

    def take(self, key: str, *, again: datetime | None = None) -> Counts:  # noqa: ARG002, D102
        return Counts()

    def heartbeat(self, keys: Iterable[str]) -> set[str]:  # noqa: ARG002, D102
        return set()

    def give_back(  # noqa: D102
        self, key: str, state: str, record: Mapping[str, Any] | None = None, *, losses: int = 0
    ) -> None:
        pass

    def entries(self) -> dict[str, Entry]:  # noqa: D102
        return {}
