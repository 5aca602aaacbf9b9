"""A run that was really trained, and a bare interpreter."""

import subprocess
import sys

import pytest

from lightning_bam import BAMSpec, Digits, Recipe, Run, RunFolder, SmallResNet, train

RUN = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=4),
    attention=BAMSpec(reduction=4, dilation=1),
    recipe=Recipe(epochs=2, batch_size=64, schedule="cosine", crop_padding=0, flip=False),
)

BARE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("lightning_bam", "studies", "analysis"{more}):
            raise ImportError(f"{{name}} is not installed here")

sys.meta_path.insert(0, Blocked())
"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of a run of two epochs, complete."""
    folder = RunFolder.of(tmp_path_factory.mktemp("runs"), RUN)
    folder.describe(RUN)
    train(folder)
    return folder.path


@pytest.fixture(scope="session")
def bare():
    """Run code in an interpreter in which this project, and `without`, cannot be imported."""

    def run(code, folder, *, without=()):
        more = "".join(f", {name!r}" for name in without)
        check = "\nassert not any(name.startswith('lightning_bam') for name in sys.modules)\n"
        done = subprocess.run(
            [sys.executable, "-c", BARE.format(more=more) + code + check],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
