"""Times and lists as people type them."""

from __future__ import annotations

import pytest

from analysis.cli.arguments import hours, integers, joined
from analysis.cli.parser import make_parser
from analysis.cli.verbs.submit import minutes


@pytest.mark.parametrize(
    ("text", "right"),
    [("12h", 12), ("90m", 1.5), ("90 min", 1.5), ("1d12h", 36), ("1.5 hours", 1.5), ("2h 30m", 2.5), ("36s", 0.01)],
)
def test_hours(text, right):
    assert hours(text) == pytest.approx(right, abs=1e-12)


@pytest.mark.parametrize("text", ["", "12", "h", "0h", "2x", "2h3", "-2h", "2h,3m", "2hh", "1e3h"])
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match="^$"):
        hours(text)


@pytest.mark.parametrize(
    ("text", "right"),
    [("90min", 90), ("2h", 120), ("1d", 1440), ("90s", 2), ("240", 240), ("1:30:00", 90), ("1-00:00:30", 1441)],
)
def test_minutes_for_a_cluster(text, right):
    assert minutes(text) == right


@pytest.mark.parametrize("words", ["4,8,12", "4 8 12", "4, 8,12", "4 , 8 , 12", "'4, 8 12'"])
def test_a_list_is_one_argument_however_it_is_typed(words):
    import shlex

    call = ["plan", "quickstart", "--looks", *shlex.split(words), "--json"]
    assert make_parser().parse_args(call).looks == (4, 8, 12)
    call = ["plan", "--looks", *shlex.split(words), "quickstart"]
    assert make_parser().parse_args(call).study == ["quickstart"]


def test_devices_are_a_list_and_a_key_is_not_part_of_it():
    parsed = make_parser().parse_args(["reproduce", "--devices", "0", "1", "12345678"])
    assert (parsed.devices, parsed.run) == ("0,1", "12345678")
    assert joined(["--seeds", "3", "4", "--devices", "cpu:2", "3"]) == ["--seeds", "3", "4", "--devices", "cpu:2", "3"]


@pytest.mark.parametrize("text", ["", ",", "4,,8", "4,", "4;8", "x"])
def test_what_is_no_list(text):
    with pytest.raises(ValueError, match="invalid literal"):
        integers(text)


def test_a_list_that_is_wrong_is_one_line(capsys):
    with pytest.raises(SystemExit):
        make_parser().parse_args(["plan", "quickstart", "--looks", "8", "4"])
    assert capsys.readouterr().err == (
        "bam plan: argument --looks: '8,4' is not numbers of seeds that rise from 2 to at most 1,000, as 8,10,12,16\n"
    )
