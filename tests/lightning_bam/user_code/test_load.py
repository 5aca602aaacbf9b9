"""Classes of a study's own file in a run: their kinds, their keys, and their way through files and command lines."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from lightning_bam import BAMSpec, ConfigError, Digits, Run, SmallResNet, build, count, flatten
from lightning_bam.config import KINDS, from_dict, to_dict, with_settings
from lightning_bam.config.spec import forget_own
from lightning_bam.user_code.load import STUDY, Source, execute, load, own_parts, sources, unknown

GATE = """
from lightning_bam import AttentionSpec, BackboneSpec, DatasetSpec, spec
from typing import Literal

@spec
class MyGateSpec(AttentionSpec):
    kernel_size: int = 3
    mode: Literal["mean", "max"] = "mean"
    sides: tuple[int, ...] = (5, 7)
    rate: float = 1

    def build(self, channels):
        from torch import nn
        return nn.Conv2d(channels, channels, self.kernel_size, padding=self.kernel_size // 2, groups=channels)

@spec
class TwoStages(BackboneSpec):
    kind = "two"
    width: int = 5

    def build(self, channels, classes):
        from torch import nn
        one, two = nn.Conv2d(channels, self.width, 3, padding=1), nn.Conv2d(self.width, 7, 3, 2, 1)
        return nn.Sequential(one, two, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, classes))

    def layers(self):
        return ["0", "1"]

@spec
class Halves(DatasetSpec):
    classes = 2
    shape = (1, 6, 5)
"""


@pytest.fixture(autouse=True)
def forget():
    yield
    forget_own()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "gate.py"
    path.write_text(GATE)
    return path


@pytest.fixture
def run(file):
    names = execute(file)
    return Run(dataset=Digits(), attention=names["MyGateSpec"](kernel_size=5))


def test_a_class_is_known_by_its_name_in_lower_case_or_as_it_says(file):
    names = execute(file)
    assert KINDS["attention"]["my_gate"] is names["MyGateSpec"]
    assert KINDS["backbone"]["two"] is names["TwoStages"]
    assert KINDS["dataset"]["halves"].shape == (1, 6, 5)
    assert names["MyGateSpec"].file == str(file)
    assert BAMSpec.code == "" == SmallResNet.file


def test_another_file_is_another_study(file, tmp_path):
    execute(file)
    (tmp_path / "other.py").write_text("x = 1")
    execute(tmp_path / "other.py")
    assert "my_gate" not in KINDS["attention"]
    assert "bam" in KINDS["attention"]


def test_flat_names_settings_and_json(run):
    assert flatten(run) | {"seed": 0} == flatten(run)
    assert {name: value for name, value in flatten(run).items() if name.startswith("attention")} == {
        "attention": "my_gate",
        "attention.kernel_size": 5,
        "attention.mode": "mean",
        "attention.sides": "5,7",
        "attention.rate": 1.0,
    }
    changed = with_settings(run, {"attention.kernel_size": "7", "attention.sides": "2,3", "attention.mode": "max"})
    assert (changed.attention.kernel_size, changed.attention.sides, changed.attention.mode) == (7, (2, 3), "max")
    assert with_settings(Run(), {"attention": "my_gate"}).attention == KINDS["attention"]["my_gate"]()
    assert from_dict(json.loads(json.dumps(to_dict(run)))) == run
    assert len({run.key, changed.key, replace(run, attention=None).key, replace(run, seed=1).key}) == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attention.kernel": "5"}, "attention.kernel: no such knob; did you mean 'attention.kernel_size'?"),
        (
            {"attention.kernel_size": "x"},
            "attention.kernel_size='x': input should be a valid integer, unable to parse string as an integer",
        ),
        ({"attention": "my_gat"}, "attention=my_gat: no such attention; did you mean 'my_gate'?"),
    ],
)
def test_a_mistyped_setting_of_an_own_class_is_one_line(run, settings, message):
    with pytest.raises(ConfigError) as refusal:
        with_settings(run, settings)
    assert str(refusal.value) == message


def test_own_network_with_own_attention_behind_all_its_layers_unless_told(file):
    names = execute(file)
    run = Run(dataset=Digits(), backbone=names["TwoStages"](), attention=names["MyGateSpec"]())
    assert [name for name, _ in build(run).named_modules() if name.endswith("attention")] == [
        "0.attention",
        "1.attention",
    ]
    plain, one = count(replace(run, attention=None)), count(with_settings(run, {"placement.stages": "1"}))
    assert plain.params == (9 * 1 * 5 + 5) + (9 * 5 * 7 + 7) + (7 * 10 + 10)
    assert one.params - plain.params == 9 * 5 + 5
    assert count(run).params - plain.params == 9 * (5 + 7) + 5 + 7
    assert one.macs - plain.macs == 9 * 5 * 8 * 8
    at = replace(
        run, placement=from_dict({**to_dict(run), "placement": {"kind": "at_layers", "layers": ["1"]}}).placement
    )
    assert count(at).params - plain.params == 9 * 7 + 7
    with pytest.raises(ConfigError, match=r"placement.stages=3: this network has 2 stages"):
        build(with_settings(run, {"placement.stages": "3"}))
    with pytest.raises(ConfigError, match="placement=every_block: backbone=two does not say which layers are blocks"):
        build(with_settings(run, {"placement": "every_block"}))


def test_a_record_of_another_code_is_read_and_not_trained(run, file):
    data = json.loads(json.dumps(to_dict(run)))
    key = run.key
    file.write_text(GATE.replace("padding=self.kernel_size // 2", "padding=0"))
    execute(file)
    old = from_dict(data)
    assert old.key == key
    assert to_dict(old) == data
    assert flatten(old) == flatten(run)
    assert old == from_dict(data) != run
    assert [part.kind for part in unknown(old)] == ["my_gate"]
    assert unknown(run) == []
    with pytest.raises(ConfigError, match=f"attention=my_gate: the code that run.json names, {run.attention.code}, is"):
        build(old)
    again = Run(dataset=Digits(), attention=KINDS["attention"]["my_gate"](kernel_size=5))
    assert again.key != key


def test_keys_of_own_classes_say_all_that_they_are(run):
    """A record can be checked where the class is not known: its defaults, that is, are not."""
    with_default = replace(run, attention=type(run.attention)())
    data = to_dict(with_default)
    forget_own()
    assert from_dict(data).key == with_default.key


@pytest.mark.parametrize(
    "part",
    [
        {"kind": "my_gate", "code": "0" * 16, "__class__": 3},
        {"kind": "my_gate", "code": "0" * 16, "kernel": {"a": 1}},
        {"kind": "my_gate", "code": "0" * 16, "kernel": [[1]]},
        {"kind": "my gate", "code": "0" * 16},
        {"kind": "my_gate", "code": 5},
        {"kind": "my_gate", "code": "0" * 17},
    ],
    ids=str,
)
def test_a_hostile_description_is_refused(part):
    with pytest.raises(ConfigError):
        from_dict({**to_dict(Run()), "attention": part})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "@spec\nclass SESpec(AttentionSpec):\n    pass",
            "SESpec.kind='se': is the kind of this package's SESpec; rename",
        ),
        ("@spec\nclass A(AttentionSpec):\n    kind = 'My Gate'", "A.kind='My Gate': must be a name in lower case"),
        (
            "@spec\nclass A(AttentionSpec):\n    x: object = int\nRun(attention=A()).key",
            "attention.x=<class 'int'>: a knob of A must be a number, a text, True, False, None, or a tuple of these",
        ),
    ],
)
def test_a_class_that_cannot_be_a_part_is_refused(tmp_path, text, message):
    (tmp_path / "gate.py").write_text(f"from lightning_bam import AttentionSpec, Run, spec\n{text}\n")
    with pytest.raises(ConfigError) as refusal:
        execute(tmp_path / "gate.py")
    assert str(refusal.value).startswith(message)


def test_a_class_that_stands_in_no_file_is_refused():
    code = "from lightning_bam import AttentionSpec, spec\n@spec\nclass Mine(AttentionSpec):\n    pass"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Mine: stands in no file; write it in one (beside the notebook, say) and import it, so that" in done.stderr


def test_where_classes_stand_is_said_and_loaded_again(file, tmp_path):
    (tmp_path / "gates").mkdir()
    (tmp_path / "gates" / "__init__.py").write_text("")
    (tmp_path / "gates" / "one.py").write_text(GATE)
    (tmp_path / "study.py").write_text(
        "from gates.one import MyGateSpec, TwoStages\nfrom lightning_bam import BackboneSpec, spec\n"
        "@spec\nclass Mine(TwoStages):\n    height: int = 2\n"
    )
    names = execute(tmp_path / "study.py")
    run = Run(dataset=Digits(), backbone=names["Mine"](), attention=names["MyGateSpec"]())
    study, one = str(tmp_path / "study.py"), str(tmp_path / "gates" / "one.py")
    assert sources(run) == (Source(one, "gates.one"), Source(study, STUDY))
    assert [part.kind for part in own_parts(run)] == ["mine", "my_gate"]
    data = to_dict(run)
    forget_own()
    load(sources(run))
    assert unknown(from_dict(data)) == []
    assert from_dict(data).key == run.key


def test_a_file_that_is_a_program_is_loaded_as_a_study(tmp_path):
    code = GATE + (
        "if __name__ == '__main__':\n"
        "    from lightning_bam import Run\n    from lightning_bam.user_code.load import sources\n"
        "    print(*sources(Run(attention=MyGateSpec()))[0])\n"
    )
    (tmp_path / "gate.py").write_text(code)
    done = subprocess.run([sys.executable, tmp_path / "gate.py"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(tmp_path / "gate.py"), STUDY]


def test_a_file_that_cannot_be_run_is_one_line(tmp_path):
    (tmp_path / "gate.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(ConfigError, match=r"gate.py: ModuleNotFoundError: No module named 'nothing_of_this_name'$"):
        load([Source(str(tmp_path / "gate.py"), STUDY)])


@pytest.mark.parametrize(
    "text",
    [
        "def make(width):\n    @spec\n    class Made(AttentionSpec):\n        size = width\n    return Made\nmake(3)\n",
        "spec(type('Made', (AttentionSpec,), {'__module__': __name__}))\n",
    ],
)
def test_a_class_whose_values_its_code_does_not_show_is_refused(file, text):
    file.write_text(f"from lightning_bam import AttentionSpec, spec\n{text}")
    with pytest.raises(ConfigError, match="Made: is made in a function or a call, with values that its code does not"):
        execute(file)


def test_a_folder_without_an_init_is_each_studys_own(tmp_path):
    """Python gives such a package no `__file__`."""
    for name, size in (("one", 3), ("two", 5)):
        (tmp_path / name / "parts").mkdir(parents=True)
        (tmp_path / name / "parts" / "sizes.py").write_text(f"SIZE = {size}\n")
        (tmp_path / name / "study.py").write_text("from parts.sizes import SIZE\n")
        assert execute(tmp_path / name / "study.py")["SIZE"] == size
