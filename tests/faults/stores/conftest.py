"""A runs folder with files beside it that nobody may read, change or remove."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.cli import main
from studies.library import find_study
from tests.analysis.synthetic import finish
from tests.studies.conftest import postgres  # noqa: F401

SECRET = "SECRET-5d1f"
STUDY = '''"""Does BAM help?"""
from tests.studies.conftest import tiny

STUDY = tiny()
'''


def listing(folder):
    """Return every file under a folder with what it holds and when it was written."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else sorted(child.name for child in path.iterdir()),
        )
        for path in sorted(folder.rglob("*"))
    }


class Canary:
    """Files beside a runs folder; `unharmed` says whether they are as they were, and nothing of them was told."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        (folder / "run" / "checkpoints").mkdir(parents=True)
        (folder / "token").write_text(f'"{SECRET}"\n')
        (folder / "log").write_text(f"Traceback (most recent call last):\n{SECRET}\n")
        (folder / "run" / "checkpoints" / "last.ckpt").write_text(SECRET)
        self.before = listing(folder)

    def unharmed(self, *outputs: Path) -> str:
        """Demand that nothing was changed here, nor told; return what was printed."""
        told = "".join(self.capsys.readouterr())
        assert listing(self.folder) == self.before
        assert SECRET not in told
        for path in outputs:
            assert SECRET.encode() not in path.read_bytes()
        return told


@pytest.fixture
def canary(tmp_path, capsys):
    return Canary(tmp_path / "beside", capsys)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Be where `mine.py` has four complete runs under `runs`; return the run folders by row and seed."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(STUDY)
    found = {}
    for number, (row, run) in enumerate(find_study("mine.py").runs()):
        found[row, run.seed] = finish(Path("runs"), run, 12.5 + number, loss=2 + number)
    return found


def call(*words):
    """Run one verb; whatever it says, it says in lines: no traceback."""
    return main([str(word) for word in words])
