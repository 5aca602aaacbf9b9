"""The code of a run in its runs folder: whole, once, and not believed."""

import pytest

from lightning_bam import ConfigError, Digits, Run
from lightning_bam.config.spec import forget_own
from lightning_bam.run_folder.files import FolderError
from lightning_bam.user_code import keep
from lightning_bam.user_code.load import execute

STUDY = """
from gates.one import size
from lightning_bam import AttentionSpec, spec
from unused import nothing

@spec
class MyGate(AttentionSpec):
    def build(self, channels):
        from late import Late
        return Late(size)
"""


@pytest.fixture
def run(tmp_path):
    home = tmp_path / "home"
    (home / "gates").mkdir(parents=True)
    (home / "gates" / "__init__.py").write_text("")
    (home / "gates" / "one.py").write_text("size = 3\n")
    (home / "late.py").write_text("class Late:\n    pass\n")
    (home / "unused.py").write_text("nothing = 1\n")
    (home / "study.py").write_text(STUDY)
    yield Run(dataset=Digits(), attention=execute(home / "study.py")["MyGate"]())
    forget_own()


def test_what_a_class_uses_is_kept_once(run, tmp_path):
    root = tmp_path / "runs"
    name = keep.keep(root, run)
    kept = ["gates/__init__.py", "gates/one.py", "late.py", "study.py", "unused.py"]
    assert sorted(keep.read(root, name)) == kept, "all that runs with study.py, which could not be run again without"
    assert keep.read(root, name)["study.py"] == STUDY
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert keep.keep(root, run) == name
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    keep.check(root, run, name)
    assert keep.keep(root, Run()) is None
    keep.check(root, Run(), None)


def test_a_file_that_has_changed_meanwhile_is_refused(run, tmp_path):
    (tmp_path / "home" / "gates" / "one.py").write_text("size = 5\n")
    with pytest.raises(ConfigError, match=r"attention=my_gate: .*study.py has changed meanwhile; run the study again"):
        keep.keep(tmp_path / "runs", run)
    assert not (tmp_path / "runs").exists()


def test_kept_code_that_is_edited_missing_or_anothers_is_named(run, tmp_path):
    root = tmp_path / "runs"
    name = keep.keep(root, run)
    (tmp_path / "home" / "gates" / "one.py").write_text("size = 5\n")
    other = Run(dataset=Digits(), attention=execute(tmp_path / "home" / "study.py")["MyGate"]())
    with pytest.raises(FolderError, match=f"no class in it has the code {other.attention.code} of attention=my_gate"):
        keep.check(root, other, name)
    with pytest.raises(FolderError, match="manifest.json does not say where the code of attention=my_gate is kept"):
        keep.check(root, run, None)
    one = root / "code" / name / "gates" / "one.py"
    one.write_text("size = 4\n")
    with pytest.raises(FolderError, match=r"its files are not those that runs were trained with; restore them"):
        keep.check(root, run, name)
    with pytest.raises(FolderError, match="no code in it, though runs were trained with it"):
        keep.read(root, "0" * 16)
    one.unlink()
    one.symlink_to(tmp_path / "home" / "gates" / "one.py")
    with pytest.raises(FolderError):
        keep.read(root, name)


@pytest.mark.parametrize("name", ["../out.py", "/tmp/out.py", "a/../../out.py", "run.sh", "a.py/../../b.py"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    files = {name: "x = 1\n"}
    with pytest.raises(FolderError, match="these are not the files of this hash"):
        keep.write(tmp_path / "runs", keep.name_of(files), files)
    assert not list(tmp_path.rglob("*.py"))


def test_a_folder_of_code_that_is_a_link_is_refused(run, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs" / "code").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderError):
        keep.keep(tmp_path / "runs", run)
    assert not list((tmp_path / "elsewhere").iterdir())
