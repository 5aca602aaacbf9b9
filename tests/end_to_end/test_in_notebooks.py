"""Studies in real kernels and scripts: the example notebook, a class in a cell, an interruption, a script's top."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import analysis

nbformat = pytest.importorskip("nbformat", reason="notebooks want nbclient and ipykernel, of the extra `test`")
nbclient = pytest.importorskip("nbclient", reason="notebooks want nbclient and ipykernel, of the extra `test`")
pytest.importorskip("ipykernel", reason="notebooks want nbclient and ipykernel, of the extra `test`")
EXAMPLE = Path(analysis.__file__).parent / "example.ipynb"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return an empty folder, and keep what Jupyter writes for itself out of the user's."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("BAM_ROOT", raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def outputs(cells):
    """Return all that cells put out: data by kind of a result, text and name of a stream."""
    return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]


def results(cells, kind):
    return [output.data[kind] for output in outputs(cells) if kind in output.get("data", {})]


def test_the_example_has_no_outputs_that_could_grow_old():
    cells = nbformat.read(EXAMPLE, 4).cells
    assert outputs(cells) == []
    assert {cell.execution_count for cell in cells if cell.cell_type == "code"} == {None}


def test_the_example_runs_and_shows_what_was_trained(home):
    notebook = nbformat.read(EXAMPLE, 4)
    resources = {"metadata": {"path": str(home)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    told = [(output.name, output.text) for output in outputs(notebook.cells) if output.output_type == "stream"]
    assert {name for name, _ in told} == {"stdout"}, "what is on stderr a notebook sets in red"
    lines = "".join(text for _, text in told).splitlines()
    assert "\x1b" not in "".join(lines), "no live view, which would fill the page"
    ended = [line.split()[0] for line in lines if " seed " in line]
    assert (len(ended), ended[8], ended[11]) == (12, "9/9", "6/6"), "a line a run"
    assert lines[9] == "notebook: 9 of 9 runs complete, 9 of them now"
    assert lines[-1] == "my_gate: 6 of 6 runs complete, 3 of them now", "a class in a file; no baseline twice"

    trained = [json.loads(path.read_text()) for path in home.glob("runs/*/result.json")]
    assert len(trained) == 12
    pages = results(notebook.cells, "text/html")
    assert ["bam-table" in page for page in pages] == [True, False, False, True]
    printed = {cell.strip(" <>td/\n") for cell in pages[2].split("<td>")[1:]}
    errors = {float(cell.partition("<")[0]) for cell in printed}
    assert len(errors) > 1
    assert errors < {result["error_top1"] for result in trained}
    assert len(results(notebook.cells, "image/png")) == 2, "though nothing imports pyplot"


CELLS = """
from dataclasses import replace
from lightning_bam import AttentionSpec, Digits, Recipe, Run, SmallResNet, spec
from studies import Study
from analysis.notebook import run
recipe = Recipe(epochs=100, batch_size=64, crop_padding=0, flip=False)
base = Run(dataset=Digits(), backbone=SmallResNet(width=4), recipe=recipe)
rows = {"none": base, "wide": replace(base, backbone=SmallResNet(width=5))}
STUDY = Study(name="long", question="?", rows=rows, baseline="none", scientific=("backbone.width",), seeds=1)
"""
OWN = """
@spec
class MyGate(AttentionSpec):
    def build(self, channels):
        return None
"""


def test_a_class_in_a_cell_and_an_interruption_are_told_in_a_line(home):
    cells = [nbformat.v4.new_code_cell(code) for code in (CELLS, OWN, 'run(STUDY, devices="cpu:2", wandb="off")')]
    notebook = nbformat.v4.new_notebook(cells=cells)
    where = {"metadata": {"path": str(home)}}
    client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where, allow_errors=True)
    kernel = client.create_kernel_manager()

    def interrupt():
        """Do what a click on "interrupt" does, once something is trained."""
        while not list(home.glob("runs/*/metrics.jsonl")):
            time.sleep(0.1)
        os.killpg(kernel.provisioner.pgid, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    client.execute()
    (refused,), (*lines, interrupted) = (cell.outputs for cell in notebook.cells[1:])
    assert refused.ename == "ConfigError"
    assert refused.evalue.startswith("MyGate: stands in no file; write it in one (beside the notebook, say) and import")
    assert interrupted.ename == "KeyboardInterrupt"
    assert [line.text for line in lines] == ["bam: interrupted; the same call goes on from here\n"]
    # one that has only just begun says no state yet
    states = {json.loads(path.read_text()).get("state", "interrupted") for path in home.glob("runs/*/manifest.json")}
    assert states == {"interrupted"}


SCRIPT = """
print("read")
from dataclasses import replace
from lightning_bam import Digits, Recipe, Run, SmallResNet
from studies import Study
from analysis.notebook import run
base = Run(
    dataset=Digits(),
    backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=1, batch_size=256, crop_padding=0, flip=False),
)
rows = {"none": base, "wide": replace(base, backbone=SmallResNet(width=5))}
STUDY = Study(name="script", question="?", rows=rows, baseline="none", scientific=("backbone.width",), seeds=1)
print(run(STUDY, devices="cpu:2", wandb="off").to_pandas().n.to_list())
"""


def test_a_script_need_not_guard_its_calls(home):
    """Every process of a training would run it again: without `if __name__ == "__main__"` it would never end."""
    (home / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=home, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stdout == "read\n[1, 1]\n", done.stderr
    assert "read" not in "".join(path.read_text() for path in home.glob("runs/*/*.log"))
