"""What a run folder looks like from outside; of many folders a second process sees most.

That process runs this file as a script, so nothing is imported here but what Python has loaded anyhow.
"""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Final, NamedTuple

FILES: Final = ("run.json", "manifest.json", "metrics.jsonl", "result.json")
"""What a record is read from."""
QUIET: Final = 2_000_000_000
"""Nanoseconds for which a file must have stood still, to be remembered: the coarsest clock of a file system."""
SHARE: Final = "c"
"""Keys below this one, three of four, are the second process's: the first has to reckon the keys meanwhile."""


class Sight(NamedTuple):
    """A folder from outside: 64 bits of the identity of its files, whether they have stood still, and are all there."""

    fingerprint: int
    quiet: bool
    whole: bool


def look(folder: str, quiet: int | None = None) -> Sight | None:
    """Return the sight of a run folder, None where there is no `run.json`."""
    told: list[int] = []
    newest = 0
    for name in FILES:
        try:
            found = os.lstat(f"{folder}/{name}")
        except OSError:
            if not told:
                return None
            told += (0, 0, 0, 0)
        else:
            told += (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            newest = max(newest, found.st_mtime_ns, found.st_ctime_ns)
    still = newest + (QUIET if quiet is None else quiet) < time.time_ns()
    return Sight(hash(tuple(told)), still, told.count(0) == 0)


class Sights:
    """The sights of the folders under a runs folder, those of keys below `SHARE` from a process of its own.

    Whatever that process does not tell, because it has died or the folder came later, is seen here.

    Args:
        root: the runs folder.
        wanted: how many folders that process is to look at; 0 for no process. It looks at all that are there, since
            keys are not known yet; where more than twice as many are, it leaves.

    """

    def __init__(self, root: str, *, wanted: int) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        if wanted:
            words = [sys.executable, "-I", "-S", __file__, root, str(QUIET), str(2 * wanted)]
            with suppress(OSError):
                self._process = subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )

    def __enter__(self) -> Sights:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the process, should it still be there."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def of(self, keys: list[str]) -> list[Sight | None]:
        """Return the sight of each folder; see `look`."""
        if self._process is None:
            return [look(f"{self._root}/{key}") for key in keys]
        mine = {key: look(f"{self._root}/{key}") for key in keys if key >= SHARE}
        answer, _ = self._process.communicate()
        told: dict[str, tuple[int, bool, bool]] = {}
        with suppress(EOFError, ValueError, TypeError):
            told = marshal.loads(answer) if self._process.returncode == 0 else {}
        self._process = None
        return [
            mine[key] if key >= SHARE else Sight(*told[key]) if key in told else look(f"{self._root}/{key}")
            for key in keys
        ]


def main(root: str, quiet: int, most: int) -> None:
    """Look at every folder whose name is below `SHARE`, and write down what was seen; at none of more than `most`."""
    names = os.listdir(root)  # noqa: PTH208, pathlib takes longer to load than the names to list
    if len(names) > most:
        sys.exit(1)
    seen = {name: look(f"{root}/{name}", quiet) for name in names if name < SHARE}
    sys.stdout.buffer.write(marshal.dumps({name: tuple(sight) for name, sight in seen.items() if sight}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
