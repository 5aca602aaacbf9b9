"""Columns picked by the names that the CSV has."""

from __future__ import annotations

import csv
import io
import re

import pytest

from analysis.formats.blocks import blocks, check_columns
from analysis.formats.columns import FigureColumn
from analysis.formats.data import frame
from analysis.formats.render import render
from studies.errors import StudyError
from tests.analysis.synthetic import golden_table

CHOSEN = ("verdict", "delta", "delta_low", "wanted", "best", "marks")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return golden_table(tmp_path_factory.mktemp("runs"))


def cells(column):
    return (column.printed() if isinstance(column, FigureColumn) else column).cells


def test_chosen_columns_stand_in_their_order_behind_the_rows_name(table):
    (block,) = blocks(table, CHOSEN)
    assert [column.name for column in block.columns] == ["row", *CHOSEN]
    found = {column.name: cells(column)[2] for column in block.columns}
    assert found["delta"] == "−0.42\n[−1.92, +1.07]", "as the whole table has it"
    assert found["delta_low"] == "−1.921", "four digits of what the table for reading has not by itself"
    assert (found["wanted"], found["best"], found["row"]) == ("4", "no", "BAM product")
    assert found["marks"] == "commit=91bc002 (seed 3)"
    assert cells(block.columns[3])[0] == "", "the baseline has no interval"


def test_every_column_of_the_csv_can_be_chosen_and_none_has_nan(table):
    names = [name for name in frame([table]) if name != "row"]
    (block,) = blocks(table, names)
    assert [column.name for column in block.columns[1:]] == names
    assert not any("nan" in cell.lower() or "<NA>" in cell for column in block.columns for cell in cells(column))


def test_the_row_is_first_in_a_table_for_reading_and_where_it_is_named_in_csv(table):
    assert [column.name for column in blocks(table, ("n", "row"))[0].columns] == ["row", "n"]
    lines = list(csv.reader(io.StringIO(render(table, "csv", chosen=("n", "row", "delta_low")))))
    assert lines[0] == ["n", "row", "delta_low"]
    assert lines[2][:2] == ["4", "BAM"]
    assert float(lines[2][2]) == table.rows[1].delta.low, "full precision"


@pytest.mark.parametrize("form", ["text", "md", "tex", "html"])
def test_the_formats_for_reading_have_the_chosen_columns_alone(table, form):
    found = render(table, form, chosen=("delta_sd", "verdict"), notes="none")
    assert re.search(r"delta\\?_sd", found)
    assert "0.09574" in found, "the deviation of −2, −1.9, −2.1, −2.1"
    assert "better" in found
    assert "20.10" not in found
    assert "MACs" not in found


@pytest.mark.parametrize("form", ["text", "md", "tex", "html"])
@pytest.mark.parametrize("notes", ["short", "all"])
def test_notes_explain_no_column_that_is_left_out(table, form, notes):
    def explains(*chosen):
        found = " ".join(render(table, form, chosen=chosen, notes=notes).split())
        return [sign for sign in ("minus", "mean difference", "paired t-test", "ixed: ") if sign in found]

    difference = "minus" if notes == "short" else "mean difference"
    assert explains("n", "params") == ["ixed: "]
    assert explains("verdict") == explains() == [difference, "paired t-test", "ixed: "]
    assert explains("delta") == [difference, "paired t-test", "ixed: "][:: 2 if notes == "short" else 1]


def test_a_name_that_the_csv_has_not_is_refused_with_the_nearest(table):
    with pytest.raises(StudyError, match=r"--columns verdct: no such column; did you mean 'verdict'\?"):
        check_columns(["row", "verdct"], [table])
    assert check_columns(["n", "row", "n"], [table]) == ["n", "row"]
