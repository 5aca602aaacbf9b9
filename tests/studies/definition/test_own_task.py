"""A study whose rows are trained for a task of the user's own."""

import pytest

from lightning_bam.config.spec import forget_own
from studies.errors import StudyError
from studies.library import find_study

STUDY = """
from dataclasses import replace
from lightning_bam import BAMSpec, Metric, TaskSpec, spec
from studies import Study
from tests.studies.conftest import BASE

@spec
class Sharpness(TaskSpec):
    metrics = (
        Metric(name="psnr", label="PSNR (dB)", higher_is_better=True, unit="dB", short="PSNR"),
        Metric(name="miou", label="mean IoU (%)", higher_is_better=True),
    )

base = replace(BASE, task=Sharpness())
STUDY = Study(
    name="sharp", question="Sharper?", rows={"none": base, "BAM": replace(base, attention=BAMSpec(reduction=4))},
    baseline="none", scientific=("attention",), seeds=1, metric="psnr",
)
"""


@pytest.fixture(autouse=True)
def forget():
    yield
    forget_own()


def test_its_metric_has_a_direction_and_a_unit_whatever_file_is_read_next(tmp_path):
    (tmp_path / "sharp.py").write_text(STUDY)
    (tmp_path / "other.py").write_text(STUDY.replace("psnr", "snr").replace("Sharpness", "Noise"))
    study, other = (find_study(str(tmp_path / name)) for name in ("sharp.py", "other.py"))
    scale = study.scale
    assert (scale.name, scale.title, scale.sign, scale.points, scale.difference) == ("psnr", "PSNR", " dB", "dB", "dB")
    assert scale.higher_is_better
    assert other.scale.name == "snr"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            'metric="psnr"',
            'metric="error_top1"',
            "metric 'error_top1': row 'none' is trained for sharpness; metric='psnr' or 'miou'",
        ),
        ('metric="psnr"', 'metric="pnsr"', "metric 'pnsr': no such metric; did you mean 'psnr'?"),
        (
            '"none": base,',
            '"none": BASE,',
            "metric 'psnr': row 'none' is trained for classification; metric='error_top1'",
        ),
    ],
)
def test_a_metric_that_a_row_does_not_have_is_refused(tmp_path, before, after, message):
    assert STUDY.count(before) == 1
    (tmp_path / "sharp.py").write_text(STUDY.replace(before, after))
    with pytest.raises(StudyError) as refusal:
        find_study(str(tmp_path / "sharp.py"))
    assert message in str(refusal.value)
