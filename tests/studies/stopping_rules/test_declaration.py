"""A stopping rule in writing: before the first result, once, and for these rows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lightning_bam.run_folder.files import FolderError
from studies.definition.stopping import Stopping
from studies.definition.study import Selection
from studies.errors import StudyError
from studies.records.records import gather
from studies.stopping_rules.declaration import declare, file_of, seal, with_rule
from tests.analysis.synthetic import STUDY, finish, interrupt

RULE = Stopping(looks=(2, 4))
RULED = replace(STUDY.stopping_by(RULE), margin=0.3)


def test_a_declared_rule_is_read_back_with_its_seeds_and_margin(tmp_path):
    assert with_rule(STUDY, tmp_path) is STUDY
    assert declare(RULED, tmp_path, gather(RULED, tmp_path)) == RULED
    found = with_rule(STUDY, tmp_path)
    assert (found.stopping, found.seed_list, found.margin) == (RULE, (0, 1, 2, 3), 0.3)
    assert declare(RULED, tmp_path, []) == RULED, "again, the same"
    told = json.loads(file_of(tmp_path, STUDY).read_text())
    assert told["stopping"] == {"looks": [2, 4], "spending": "obrien-fleming", "level": 0.05}
    assert told["rows"]["BAM"] == STUDY.rows["BAM"].key
    assert told["comparisons"] == 5


def test_a_rule_from_before_spare_seeds_keeps_its_seal_and_a_new_one_declares_them(tmp_path):
    declare(RULED, tmp_path, [])
    path = file_of(tmp_path, STUDY)
    assert "spare" not in json.loads(path.read_text())["stopping"], "as older versions wrote it"
    before = seal(tmp_path, "combine")
    assert declare(RULED, tmp_path, []).stopping == RULE
    assert seal(tmp_path, "combine") == before
    spare = replace(STUDY.stopping_by(Stopping(looks=(2, 4), spare=2)), name="spare")
    assert declare(spare, tmp_path, []).seed_list == (0, 1, 2, 3, 4, 5)
    found = with_rule(replace(STUDY, name="spare"), tmp_path)
    assert (found.stopping.spare, found.seed_list) == (2, (0, 1, 2, 3, 4, 5))
    assert str(found.stopping) == "looks at 2, 4 seeds, 2 spare, obrien-fleming spending of 0.05"


def test_some_rows_of_a_study_follow_its_rule(tmp_path):
    declare(RULED, tmp_path, [])
    part = with_rule(STUDY.only({"row": ["BAM"]}), tmp_path)
    assert (part.stopping, part.comparisons, list(part.rows)) == (RULE, 5, ["none", "BAM"])


def test_results_from_before_the_rule_are_no_ground_for_one(tmp_path):
    finish(tmp_path, replace(STUDY.rows["BAM"], seed=2), 20.0)
    with pytest.raises(StudyError) as caught:
        declare(RULED, tmp_path, gather(RULED, tmp_path))
    assert str(caught.value) == (
        "combine: 1 of its runs had begun before a stopping rule was declared (as 'BAM', seed 2); a rule made after a "
        "look does not hold its level: ask fresh seeds with --first-seed 3, or another --root"
    )
    assert not file_of(tmp_path, STUDY).exists()
    fresh = replace(STUDY.stopping_by(RULE, 3), margin=0.3)
    assert declare(fresh, tmp_path, gather(fresh, tmp_path)).seed_list == (3, 4, 5, 6)


def test_a_rule_that_was_written_into_the_study_after_a_look_is_refused_whoever_asks(tmp_path):
    assert with_rule(RULED, tmp_path) == RULED, "nothing has begun"
    finish(tmp_path, replace(STUDY.rows["BAM"], seed=2), 20.0)
    with pytest.raises(StudyError) as caught:
        with_rule(RULED, tmp_path)
    assert str(caught.value) == (
        "combine: 1 of its runs had begun before a stopping rule was declared (as 'BAM', seed 2); a rule made after a "
        "look does not hold its level: give it fresh ones, seeds=range(3, 7), or another --root"
    )
    fresh = replace(RULED, seeds=range(3, 7))
    assert with_rule(fresh, tmp_path) == fresh


def test_a_baseline_whose_figures_are_known_is_a_look(tmp_path):
    """Whoever sees that the baseline's seeds were unlucky could declare a rule for these."""
    finish(tmp_path, STUDY.rows["none"], 20.0)
    with pytest.raises(StudyError, match="1 of its runs had begun .* 'none', seed 0.*--first-seed 1"):
        declare(RULED, tmp_path, gather(RULED, tmp_path))
    with pytest.raises(StudyError, match=r"1 of its runs had begun .* 'none', seed 0.*seeds=range\(1, 5\)"):
        with_rule(RULED, tmp_path)
    fresh = replace(STUDY.stopping_by(RULE, 1), margin=0.3)
    assert declare(fresh, tmp_path, gather(fresh, tmp_path)) == fresh


def test_studies_that_share_a_baseline_are_declared_before_any_of_them_trains(tmp_path):
    other = replace(RULED, name="other")
    declare(RULED, tmp_path, gather(RULED, tmp_path))
    declare(other, tmp_path, gather(other, tmp_path))
    finish(tmp_path, STUDY.rows["none"], 20.0)
    assert (with_rule(STUDY, tmp_path), with_rule(other, tmp_path)) == (RULED, other)
    third = replace(RULED, name="third")
    with pytest.raises(StudyError, match="third: 1 of its runs had begun .* 'none', seed 0"):
        declare(third, tmp_path, gather(third, tmp_path))


def test_a_rule_takes_the_seeds_that_a_study_has_of_its_own():
    fresh = replace(STUDY, seeds=(5, 6, 7))
    assert fresh.stopping_by(RULE).seed_list == (5, 6, 7, 8), "a search has used those before"
    assert fresh.stopping_by(RULE, 0).seed_list == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(STUDY.stopping_by(Stopping(looks=(2, 3))), margin=0.3), "looks at 2, 3 seeds, obrien-fleming"),
        (replace(RULED, margin=0.5), "margin 0.5 is not what was declared before the first result (margin 0.3)"),
        (replace(STUDY.stopping_by(RULE, 9), margin=0.3), "seeds (9, 10, 11, 12) is not what was declared"),
    ],
)
def test_a_rule_does_not_change(tmp_path, other, said):
    declare(RULED, tmp_path, [])
    with pytest.raises(StudyError) as caught:
        declare(other, tmp_path, [])
    assert str(caught.value).startswith("combine: ")
    assert said in str(caught.value)


def test_later_seeds_are_no_way_round_a_baseline_whose_figures_are_known(tmp_path):
    finish(tmp_path, replace(STUDY.rows["none"], seed=5), 20.0)
    later = STUDY.stopping_by(RULE, 3)
    with pytest.raises(StudyError, match="1 of its runs had begun .* 'none', seed 5.*--first-seed 6"):
        declare(later, tmp_path, gather(later, tmp_path))


def test_an_epoch_of_a_lost_run_is_a_look(tmp_path):
    interrupt(tmp_path, replace(STUDY.rows["BAM"], seed=1), "running")
    with pytest.raises(StudyError, match="1 of its runs had begun before a stopping rule was declared"):
        declare(RULED, tmp_path, gather(RULED, tmp_path))


def test_the_baseline_does_not_change(tmp_path):
    declare(RULED, tmp_path, [])
    with pytest.raises(StudyError, match="for other runs than these .the baseline of none, the baseline of BAM, "):
        with_rule(replace(STUDY, baseline="BAM max"), tmp_path)


def test_setting_a_knob_to_what_it_is_does_not_leave_the_rule(tmp_path):
    declare(RULED, tmp_path, [])
    epochs = STUDY.rows["none"].recipe.epochs
    assert with_rule(STUDY.override({"recipe.epochs": str(epochs)}), tmp_path).stopping == RULE


def test_rows_do_not_change_either(tmp_path):
    declare(RULED, tmp_path, [])
    other = STUDY.override({"recipe.epochs": "3"})
    assert with_rule(other, tmp_path) is other, "a copy with another label is another study"
    changed = replace(
        STUDY, rows={**STUDY.rows, "BAM": replace(STUDY.rows["BAM max"], seed=0), "BAM max": STUDY.rows["BAM"]}
    )
    with pytest.raises(
        StudyError, match=r"declared .* for other runs than these \(row BAM, row BAM max\); rows cannot"
    ):
        with_rule(changed, tmp_path)


def test_a_row_that_is_taken_out_of_the_study_still_shares_the_level(tmp_path):
    declare(RULED, tmp_path, [])
    fewer = replace(STUDY, rows={row: run for row, run in STUDY.rows.items() if row != "BAM r=1"})
    with pytest.raises(StudyError, match=r"declared .* for other runs than these \(comparisons 4\); rows cannot"):
        with_rule(fewer, tmp_path)


OTHER = replace(STUDY, name="other", seeds=3)


def test_a_study_of_another_name_knows_which_of_its_rows_the_rule_stops(tmp_path):
    assert with_rule(OTHER, tmp_path) is OTHER
    declare(RULED, tmp_path, [])
    ruled = [row for row in STUDY.rows if row != "none"]
    assert with_rule(OTHER, tmp_path) == replace(Selection.of(OTHER), ruled_by=dict.fromkeys(ruled, "combine"))
    part = OTHER.only({"row": ["BAM max"]})
    assert with_rule(part, tmp_path).ruled_by == {"BAM max": "combine"}, "a baseline is given seeds whatever it shows"
    upside = replace(OTHER.only({"row": ["BAM max"]}), baseline="BAM max")
    assert with_rule(upside, tmp_path).ruled_by == {"BAM max": "combine"}, "what is a baseline here was none there"


def test_other_seeds_or_other_rows_are_no_concern_of_the_rule(tmp_path):
    declare(RULED, tmp_path, [])
    later = replace(OTHER, seeds=(4, 5))
    assert with_rule(later, tmp_path) is later
    longer = OTHER.override({"recipe.epochs": "3"})
    assert with_rule(longer, tmp_path) is longer


def test_seeds_of_the_first_look_which_every_row_gets_were_decided_by_nothing(tmp_path):
    declare(RULED, tmp_path, [])
    first = replace(OTHER, seeds=2)
    assert with_rule(first, tmp_path) is first


def test_the_first_study_by_name_is_told_and_a_rule_of_another_version_says_nothing(tmp_path, capsys):
    declare(RULED, tmp_path, [])
    declare(replace(RULED, name="zebra"), tmp_path, [])
    assert set(with_rule(OTHER, tmp_path).ruled_by.values()) == {"combine"}
    path = file_of(tmp_path, STUDY)
    path.write_text('{"schema": 9, "seeds": [0]}')
    assert set(with_rule(OTHER, tmp_path).ruled_by.values()) == {"zebra"}
    path.write_text("{")
    assert set(with_rule(OTHER, tmp_path).ruled_by.values()) == {"zebra"}, "another study's, and it stops nobody"
    assert f"bam: passed over: {path}: torn or not JSON" in capsys.readouterr().err


def test_a_torn_or_foreign_rule_is_one_line(tmp_path):
    declare(RULED, tmp_path, [])
    path = file_of(tmp_path, STUDY)
    path.write_text(path.read_text()[:40])
    with pytest.raises(FolderError, match="torn or not JSON"):
        with_rule(STUDY, tmp_path)
    path.write_text('{"schema": 9}')
    with pytest.raises(FolderError, match="written with schema 9, this version reads 1"):
        with_rule(STUDY, tmp_path)


def test_another_host_finds_the_rule_in_postgresql(tmp_path, postgres):
    here, there = tmp_path / "here", tmp_path / "there"
    declare(RULED, here, [], postgres)
    found = with_rule(STUDY, there, postgres)
    assert (found.stopping, found.seed_list, found.margin) == (RULE, (0, 1, 2, 3), 0.3)
    with pytest.raises(StudyError, match="margin 0.5 is not what was declared"):
        declare(replace(RULED, margin=0.5), there, [], postgres)
    assert file_of(there, STUDY).read_bytes() == file_of(here, STUDY).read_bytes(), "it is kept beside what it stops"
    declare(RULED, there, [], postgres)
    assert with_rule(STUDY, there).stopping == RULE, "who trains by it has it for every verb"
    elsewhere = replace(STUDY.stopping_by(Stopping(looks=(2, 3))), margin=0.3)
    declare(elsewhere, tmp_path / "third", [])
    with pytest.raises(StudyError, match="and the database hold different stopping rules; the first one declared"):
        with_rule(STUDY, tmp_path / "third", postgres)


def test_a_rule_from_before_the_database_reaches_it(tmp_path, postgres):
    declare(RULED, tmp_path / "here", [])
    declare(RULED, tmp_path / "here", [], postgres)
    assert with_rule(STUDY, tmp_path / "there", postgres).stopping == RULE


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        ((1, 3), "looks=.1, 3.: give numbers of seeds that rise from 2 to at most 1,000"),
        ((), "looks=..:"),
        ((4, 4), "looks=.4, 4.:"),
        ((4, 1001), "looks=.4, 1001.:"),
    ],
)
def test_looks_that_cannot_be(looks, said):
    with pytest.raises(StudyError, match=said):
        Stopping(looks=looks)


def test_other_arguments_that_cannot_be():
    with pytest.raises(
        StudyError, match="stopping: spending='haybittle': input should be 'obrien-fleming' or 'pocock'"
    ):
        Stopping(spending="haybittle")
    with pytest.raises(StudyError, match=r"level=1\.5: give a level between 0 and 0"):
        Stopping(level=1.5)
    with pytest.raises(StudyError, match=r"combine: margin=-1: give percentage points above 0, as 0\.3"):
        replace(STUDY, margin=-1)
    with pytest.raises(StudyError, match="combine: 4 seeds, but its stopping rule looks last at 3: seeds=3"):
        replace(STUDY, stopping=Stopping(looks=(2, 3)))
    with pytest.raises(StudyError, match="a stopping rule has level, looks, spare, spending, not"):
        Stopping.from_dict({"looks": [2, 3]})
