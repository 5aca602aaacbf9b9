"""What is wrong with this machine, its installation or its runs folder, found by trying, each with its mend."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """What a check found, in one line: `warning` costs time or trust, `problem` stops or spoils runs."""

    check: str
    level: Level
    found: str
    mend: str = ""
