"""What `lightning_bam.inspection` wrote of a run, read back without torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightning_bam.run_folder.files import read_text


@dataclass(frozen=True)
class Inspection:
    """The numbers of one run, `inspect.json`, and the arrays behind its figures, `inspect.npz`.

    These are `images` `(I, c, h, w)` uint8, and under `<position of the module>/`: `channel` `(I, C)`, `spatial` and
    `gate` `(I, H, W)`, `trained` and `initial` (histograms), `field_*` (energies).
    """

    numbers: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def modules(self) -> list[dict[str, Any]]:
        """The modules in the network's order."""
        modules: list[dict[str, Any]] = self.numbers["modules"]
        return modules


def read(folder: Path) -> Inspection:
    """Read `inspect.json` and `inspect.npz`, as `lightning_bam.inspection` has just written them."""
    with np.load(folder / "inspect.npz") as file:
        return Inspection(json.loads(read_text(folder / "inspect.json")), dict(file))


def title_of(module: dict[str, Any]) -> str:
    """Return a module's name and its map, as `layer1 (BAM, 16 x 24 x 24)`."""
    return f"{module['name']} ({module['kind']}, {module['channels']} x {module['height']} x {module['width']})"


def positions_read(field: dict[str, Any]) -> str:
    """Return how many positions of the module's own map are read, and of how many where the map cuts the field."""
    read, positions = field["read"], field["positions"]
    return str(read) if read == positions else f"{read} of {positions}"
