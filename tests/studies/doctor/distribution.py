"""A distribution without code, for tests of what is installed."""

from __future__ import annotations

from pathlib import Path


def distribution(folder: Path, name: str, version: str, *requires: str) -> None:
    """Install a distribution without code."""
    where = folder / f"{name}-{version}.dist-info"
    where.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    (where / "METADATA").write_text("\n".join(lines) + "\n")
