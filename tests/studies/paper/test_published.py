"""The transcription of the paper's tables: what came stays as it came, and each figure is found by name."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from importlib.resources import files

import pytest

from lightning_bam.config import metrics
from studies.errors import StudyError
from studies.paper.published import Published, errors, figures, published, sentences


def test_the_transcribed_columns_are_as_they_came():
    text = files("studies.paper").joinpath("published.csv").read_text(encoding="utf-8")
    lines = ["\x1f".join(line[:10]) for line in csv.reader(text.splitlines())]
    assert lines[0] == "\x1f".join(
        ["table", "topic", "dataset", "backbone", "variant", "params_m", "gmacs", "metric", "value", "note"]
    )
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert digest == "a45c8ca02f6b3100b337bca023959506b8745d9abf8ae047e2bfc8c85b24c975"
    assert Counter(f.table for f in figures()) == {
        "1a": 9, "1b": 6, "1c": 9, "2": 12, "3a": 16, "3b": 40, "4a": 2, "4b": 6, "5": 12
    }  # fmt: skip
    assert {figure.metric for figure in figures()} <= set(metrics())


def test_printed_digits_are_kept():
    assert published("2", "wrn28_8", "none") == Published(values={"error_top1": "20.40"}, params="23.40", macs="3.36")
    assert published("1c", "wrn28_8", "none").params == "23.4"
    both = published("3b", "resnet50", "bam")
    assert both == Published(values={"error_top1": "24.02", "error_top5": "7.18"}, params="25.92", macs="3.94")


def test_one_network_under_two_names():
    found = published("1a", "resnet50", "dilation=4", "reduction=16")
    assert (found.values, found.params, found.macs) == ({"error_top1": "20.00"}, "24.07", "")
    assert found.note == "Reduction=16. Dilation=4."


def test_names_of_different_networks_contradict_each_other():
    with pytest.raises(StudyError) as error:
        published("1a", "resnet50", "dilation=4", "dilation=1")
    assert str(error.value) == "table 1a, resnet50 dilation=4/dilation=1: error_top1 is printed as 20.00 and as 20.47"
    with pytest.raises(StudyError, match="table '3a' of the paper prints no 'resnet50' with 'se'"):
        published("3a", "resnet50", "se")


def test_errors_are_numbers():
    assert errors("1b", "resnet50", {"plain": "none", "both": "sum"}) == {"plain": 21.49, "both": 20.0}


def test_a_note_is_a_sentence():
    notes = ["counted 68.77", "", "BAM before and after each transition.", "counted 68.77"]
    assert sentences(notes) == "Counted 68.77. BAM before and after each transition."
