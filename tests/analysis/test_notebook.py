"""What Python and notebooks are given: the table as text, HTML and data frame, figures, and errors in a line."""

import re
import sys

import numpy as np
import pytest

from analysis import notebook
from analysis.cli import main
from analysis.notebook import plot, run, table
from lightning_bam import ConfigError, FolderError, Run
from lightning_bam.user_code.load import STUDY, execute
from studies import Study, StudyError
from tests.analysis.plots import sample_studies
from tests.analysis.plots.artists import points
from tests.analysis.samples import ERRORS

SMALL = sample_studies.SMALL


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("small")
    sample_studies.small(root)
    return root


@pytest.fixture
def answer(root):
    return table(SMALL, root=root)


def test_text_and_every_format_are_those_of_the_command(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.py").write_text("from tests.analysis.plots.sample_studies import SMALL as STUDY\n")
    monkeypatch.syspath_prepend(sys.path[0])
    for form in ("text", "md", "json"):
        assert main(["table", "small.py", "--root", str(root), "--format", form]) == 0
        assert table(tmp_path / "small.py", root=root).render(form) == capsys.readouterr().out
    assert str(table("small.py", root=root)) == repr(table(SMALL, root=root)) == table(SMALL, root=root).render()


def test_a_data_frame_has_a_line_a_row_and_one_a_run(answer):
    frame = answer.to_pandas().set_index("row")
    assert frame.delta["BAM sum"] == pytest.approx(-2)
    assert frame.verdict["BAM sum"] == "better"
    assert np.isnan(frame.delta["none"])
    errors = answer.runs().pivot(index="seed", columns="row", values="error_top1")
    assert {row: errors[row].to_list() for row in errors} == sample_studies.ERRORS


def test_a_notebook_gets_a_table_that_it_does_not_set_to_the_right(answer):
    page = answer._repr_html_()
    assert re.search(r'<tr class="better">\s*<th scope="row" class="label">BAM sum</th>', page)
    assert "<caption>Which way of combining the branches is best?" in page
    assert page.startswith("<style>.bam-table ")
    assert "−2.00" in page


def test_a_notebook_shows_a_figure_by_itself(answer):
    figure = answer.plot("effects")
    assert points(figure.axes[0], "_mean BAM sum")[0][0] == pytest.approx(-2)
    data, size = figure._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20]) == pytest.approx(200 / 110 * size["width"], abs=2), "sharper than it is wide"


@pytest.mark.parametrize("kind", ["effects", "seeds"])
def test_arrays_are_drawn_as_runs_are(answer, kind):
    drawn, whole = plot(sample_studies.ERRORS, kind, baseline="none"), answer.plot(kind)
    for row in ("BAM sum", "BAM product", "BAM max"):
        assert points(drawn.axes[0], f"_mean {row}") == points(whole.axes[0], f"_mean {row}")
    assert [len(axes.get_lines()) for axes in drawn.axes] == [len(axes.get_lines()) for axes in whole.axes]


def test_arrays_have_no_runs_to_draw():
    ours, base = ERRORS
    with pytest.raises(StudyError, match="plot 'curves': needs a study's runs; of arrays there are 'effects' and"):
        plot({"ours": ours, "base": base}, "curves", baseline="base")
    with pytest.raises(StudyError, match=r"no effects: no row has a finished run at a seed"):
        plot({"ours": [1, np.nan], "base": [np.nan, 2]}, baseline="base")


def test_a_call_selects_as_the_command_does(root):
    part = table(SMALL, only={"row": ["BAM max"]}, seeds=[0, 2], margin=50, root=root)
    assert [(row.label, sorted(row.errors)) for row in part.table.rows] == [("none", [0, 2]), ("BAM max", [0, 2])]
    assert part.table.margin == 50
    assert table(SMALL, against="BAM max", root=root).table.baselines == ("BAM max",)
    other = table(SMALL, set={"recipe.epochs": 7, "recipe.milestones": (0.2, 0.5)}, root=root)
    label = "small+recipe.epochs=7+recipe.milestones=0.2,0.5"
    assert other.study.label == label
    assert [row.n for row in other.table.rows] == [0] * 4
    with pytest.raises(StudyError, match=re.escape(f"{label}: no effects: no row has a finished run")):
        other.plot()


def test_the_runs_folder_is_that_of_the_environment(root, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert [row.n for row in table(SMALL).table.rows] == [0] * 4, "`runs` is not there"
    monkeypatch.setenv("BAM_ROOT", str(root))
    assert [row.n for row in table(SMALL).table.rows] == [3] * 4
    with pytest.raises(FolderError, match="--root elsewhere: no such folder; give the runs folder"):
        table(SMALL, root="elsewhere")


@pytest.mark.parametrize(
    ("call", "study", "options", "line"),
    [
        (table, "quickstrat", {}, "study 'quickstrat': no such study; did you mean 'quickstart'? (or give a path to"),
        (table, 3, {}, "study=3: give a Study, a name of the catalogue, or a Python file"),
        (table, SMALL, {"seeds": 0}, "seeds=0: give a number from 1 to 100,000"),
        (table, SMALL, {"seeds": "3"}, "seeds='3': give a number from 1 to 100,000"),
        (table, SMALL, {"seeds": [1, 1]}, "small: seeds="),
        (table, SMALL, {"margin": 0}, "margin=0: give percentage points above 0 and below 100, as 0.3"),
        (table, SMALL, {"preset": "x"}, "small: no preset 'x'; it has none"),
        (run, SMALL, {"threads": 0}, "threads=0: give a number from 1 to"),
        (run, SMALL, {"runs_per_device": True}, "runs_per_device=True: give a number from 1 to"),
        (run, SMALL, {"wandb": "on"}, "wandb='on': give 'off', 'offline' or 'online'"),
        (run, SMALL, {"devices": "gpu"}, "--devices gpu: give GPU indices like 0,1 (each once) or CPU ranks"),
    ],
)
def test_what_cannot_be_done_is_one_line(call, study, options, line, tmp_path):
    with pytest.raises(StudyError) as refusal:
        call(study, root=tmp_path, **options)
    assert str(refusal.value).startswith(line)
    assert "\n" not in str(refusal.value)


GATE = """
from lightning_bam import AttentionSpec, spec
@spec
class MyGate(AttentionSpec):
    def build(self, channels):
        return None
"""


@pytest.mark.parametrize("later", [GATE.replace("None", "channels"), "class MyGate(", None])
def test_a_class_whose_file_has_changed_since_it_was_imported_is_not_trained(later, tmp_path):
    (file := tmp_path / "gate.py").write_text(GATE)
    rows = {"none": Run(), "mine": Run(attention=execute(file)["MyGate"]())}
    study = Study(name="own", question="?", rows=rows, baseline="none", scientific=("attention",))
    if later is None:
        file.unlink()
    else:
        file.write_text(later)
    with pytest.raises(ConfigError) as refusal:
        run(study, wandb="off", root=tmp_path / "runs")
    again = "run the study again, in a notebook with its kernel restarted"
    assert str(refusal.value) == f"attention=my_gate: {file} has changed meanwhile; {again}"
    assert not (tmp_path / "runs").exists()


def test_a_full_disk_is_one_line(monkeypatch, root):
    def full(*_):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(notebook, "gather_everywhere", full)
    with pytest.raises(StudyError, match="somewhere: no space left on the disk"):
        table(SMALL, root=root)


def test_a_call_where_a_file_is_read_for_its_classes_is_refused(monkeypatch, root):
    monkeypatch.setitem(sys.modules, STUDY, sys)
    with pytest.raises(StudyError, match="put the calls under `if __name__ == '__main__':`"):
        table(SMALL, root=root)
