"""A table on a page that is too narrow for it: what breaks, what is left out, and that nothing goes unsaid."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from analysis.formats.text import as_text
from analysis.table.build import tabulate
from lightning_bam.config import BAMSpec, Run
from studies.records.records import gather
from tests.analysis.synthetic import ERRORS, STUDY, golden_table, write

WORDS = "WRN18 + BAM with a rather long row name that goes on and on"
NO_BLANKS = "attention=bam,attention.combine=product,attention.norm=hidden"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return golden_table(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A table of rows with long names."""
    root = tmp_path_factory.mktemp("long")
    rows = {
        "none": Run(),
        WORDS: Run(attention=BAMSpec()),
        NO_BLANKS: Run(attention=BAMSpec(combine="product", norm="hidden")),
    }
    study = replace(STUDY, rows=rows, scientific=("attention", "attention.combine", "attention.norm"), published={})
    write(root, study, dict(zip(rows, list(ERRORS.values())[:3], strict=True)))
    return tabulate(gather(study, root), study)


def widest(text):
    return max(map(cell_len, text.splitlines()))


def left_out(text):
    """Return the names of the columns that the line below the table says are left out, and the width it names."""
    found = re.search(r"· Left out at (\d+) columns: (.*?)\. (\d+) have room for all", " ".join(text.split()))
    return (int(found[1]), found[2].split(", "), int(found[3])) if found else None


@pytest.mark.parametrize("width", [60, 70, 80, 100])
def test_no_line_leaves_the_page(table, long, width):
    assert widest(as_text(long, width=width, whole=False)) <= width
    assert widest(as_text(table, width=width, whole=False)) <= width


def test_figures_break_before_a_column_is_left_out(table):
    wide, narrow = (as_text(table, width=width, whole=False) for width in (250, 100))
    assert left_out(narrow) is left_out(wide) is None
    assert "[−2.30, −1.75]  <0.001  better" in wide
    assert "[−2.30, −1.75]  <0.001" not in narrow


def test_macs_are_left_out_first_then_params_p_and_the_papers_figure(table):
    order = ["macs", "params", "p_adjusted", "published"]
    found = [left_out(as_text(table, width=width, whole=False)) for width in range(100, 50, -1)]
    lengths = [len(one[1]) if one else 0 for one in found]
    assert lengths == sorted(lengths)
    assert set(lengths) == {0, 1, 2, 3, 4}
    assert all(one[1] == order[: len(one[1])] for one in found if one)


def test_the_line_names_the_width_at_which_all_columns_are_there(table):
    _, names, enough = left_out(as_text(table, width=80, whole=False))
    assert names == ["macs", "params", "p_adjusted"]
    assert left_out(as_text(table, width=enough, whole=False)) is None
    assert left_out(as_text(table, width=enough - 1, whole=False))[1] == ["macs"]


def test_what_is_left_out_is_said_without_notes_too(table):
    assert left_out(as_text(table, width=70, whole=False, notes="none")) is not None


def test_verdict_difference_and_figure_stay_on_the_narrowest_page(table):
    text = as_text(table, width=20, whole=False)
    for kept in ("error", "21.70 ± 0.37", "−0.42", "[−1.92, +1.07]", "verdict", "changes"):
        assert kept in text


def test_names_break_behind_their_signs_and_no_letter_is_lost(long):
    text = as_text(long, width=80, whole=False, notes="none")
    names = [line[:26].strip() for line in text.splitlines()]
    words, signs = (names.index(start) for start in ("WRN18 + BAM with a rather", "attention=bam,attention."))
    assert " ".join(names[words : words + 3]) == WORDS
    assert "".join(names[signs : signs + 3]) == NO_BLANKS


@pytest.mark.parametrize("chosen", [(), ("macs", "params", "p_adjusted", "delta", "verdict", "error_top1_mean")])
def test_a_table_that_is_to_be_whole_or_whose_columns_are_chosen_is_wider(table, chosen):
    text = as_text(table, width=50, whole=not chosen, chosen=chosen)
    assert left_out(text) is None
    assert "MACs" in text
    assert widest(text) > 50
