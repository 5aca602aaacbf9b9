"""Arrays of figures compared as the rows of a study are."""

import math

import pytest
from scipy import stats

from analysis.table.arrays import table_of_arrays
from analysis.table.build import tabulate
from lightning_bam import Metric
from studies import StudyError
from studies.records.records import gather
from tests.analysis import synthetic
from tests.analysis.samples import ERRORS

OURS, BASE = ERRORS


def rows_of(table):
    return {row.label: row for row in table.rows}


def test_differences_intervals_and_p_are_those_of_the_paired_test():
    row = rows_of(table_of_arrays({"ours": OURS, "base": BASE}, baseline="base"))["ours"]
    test = stats.ttest_rel(OURS, BASE)
    low, high = test.confidence_interval(0.95)
    assert (row.delta.n, row.p_adjusted) == (5, pytest.approx(test.pvalue))
    assert (row.delta.low, row.delta.high) == (pytest.approx(low), pytest.approx(high))
    assert str(row.verdict) == "better"


def test_a_table_of_arrays_says_what_that_of_the_runs_says(tmp_path):
    """Seeds are missing in one row, another changes nothing but what nobody can see in an array."""
    errors = {row: values for row, values in synthetic.ERRORS.items() if row != "BAM r=1"}
    study = synthetic.STUDY.only({"row": list(errors)}).with_seeds(4)
    synthetic.write(tmp_path, study, errors)
    whole = tabulate(gather(study, tmp_path), study)
    nan = {row: [math.nan if one is None else one for one in values] for row, values in errors.items()}
    made = rows_of(table_of_arrays({**nan, "sixth": nan["BAM"]}, baseline="none"))
    for row in whole.rows:
        one = made[row.label]
        assert whole.comparisons == len(made) - 1, "the study's own number: a row that is not selected counts"
        assert (one.errors, one.mean, one.delta, one.differences) == (row.errors, row.mean, row.delta, row.differences)
        assert one.p_adjusted == pytest.approx(row.p_adjusted, nan_ok=True)
    assert [str(made[row].verdict) for row in ("BAM", "BAM product")] == ["better", "no clear difference"]
    assert made["SE_r8 <light>"].verdict.kind == "too few seeds"


def test_where_more_is_better_the_same_difference_is_worse():
    metric = Metric(name="miou", label="mean IoU (%)", higher_is_better=True)
    table = table_of_arrays({"ours": OURS, "base": BASE}, baseline="base", metric=metric)
    assert str(rows_of(table)["ours"].verdict) == "worse"


def test_with_a_margin_rows_can_be_equivalent():
    near = [one + 0.01 * (-1) ** place for place, one in enumerate(BASE)]
    assert rows_of(table_of_arrays({"ours": near, "base": BASE}, baseline="base"))["ours"].verdict.kind != "equivalent"
    row = rows_of(table_of_arrays({"ours": near, "base": BASE}, baseline="base", margin=0.3))["ours"]
    assert (row.verdict.kind, row.verdict.within) == ("equivalent", 0.3)


@pytest.mark.parametrize(
    ("figures", "options", "line"),
    [
        ({"none": [1], "x": [2]}, {"baseline": "non"}, "baseline='non': no such row; did you mean 'none'?"),
        ({"none": [1]}, {}, "figures: 'none' alone; give rows to compare with it"),
        (
            {"none": [1, 2], "x": [2]},
            {},
            "figures['x']: 1 figures, 'none' has 2; give one a seed in the same order, NaN",
        ),
        ({"none": [1], "x": 2}, {}, "figures['x']=2: give one figure a seed in percent, as [14.1, 15.0, 14.4]"),
        ({"none": [1], "x": ["a"]}, {}, "figures['x']=['a']: give one figure a seed in percent"),
        ({"none": [1], "x": [101]}, {}, "figures['x']=[101]: give one figure a seed in percent"),
        ({"none": [1], "x": [math.inf]}, {}, "figures['x']=[inf]: give one figure a seed in percent"),
        ({"none": [1], "x": [2]}, {"margin": 0}, "margin=0: give percentage points above 0 and below 100, as 0.3"),
    ],
)
def test_what_is_no_such_array_is_refused_in_a_line(figures, options, line):
    with pytest.raises(StudyError) as refusal:
        table_of_arrays(figures, **{"baseline": "none"} | options)
    assert str(refusal.value).startswith(line)
