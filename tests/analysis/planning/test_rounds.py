"""Seeds by a rule, round after round, with made-up trainings."""

from __future__ import annotations

import shutil
from dataclasses import replace

from analysis.planning.needs import needs
from analysis.planning.rounds import next_rounds, until_resolved
from analysis.report.verdict import sentences
from analysis.table.build import tabulate
from lightning_bam.run_folder.folder import RunFolder
from studies.definition.stopping import Stopping
from studies.records.records import gather
from tests.analysis.synthetic import STUDY, finish, interrupt

RULE = Stopping(looks=(2, 4, 6))
RULED = STUDY.only({"row": ["BAM", "BAM max"]}).stopping_by(RULE)
BASE = [22.0, 21.0, 23.0, 22.5, 21.5, 22.2]
FIGURES = {
    "none": BASE,
    "BAM": [figure - 9 - seed % 2 * 1e-7 for seed, figure in enumerate(BASE)],  # resolved as soon as it may be
    "BAM max": [figure + (1, -1, 0.5, 0.1, -0.6, 0.2)[seed] for seed, figure in enumerate(BASE)],  # never
}


class Machine:
    """Trains what it is asked for, and remembers it; some fail, some are not trained: another host has them."""

    def __init__(self, root, broken=(), busy=(), study=RULED, figures=FIGURES):
        self.root, self.broken, self.busy, self.study, self.figures = root, broken, busy, study, figures
        self.asked, self.trained_at = [], []

    def gather(self):
        return gather(self.study, self.root)

    @property
    def trained(self):
        return len(self.trained_at)

    def train(self, asked):
        self.asked.append((asked.seeds, asked.open, len(asked.study.runs())))
        for cell in asked.study.runs():
            if (cell.row, cell.run.seed) in self.busy:
                continue
            if (cell.row, cell.run.seed) in self.broken:
                interrupt(self.root, cell.run, "failed")
            elif (folder := RunFolder.of(self.root, cell.run)).result() is None:
                attempts = [{"failed": "boom", "cause": "error"}, {}] if folder.path.exists() else [{}]
                shutil.rmtree(folder.path, ignore_errors=True)
                self.trained_at.append((cell.row, cell.run.seed))
                figure = self.figures[cell.row][cell.run.seed]
                finish(self.root, cell.run, figure, loss=2 + cell.run.seed / 8 + len(cell.row),
                       attempts=attempts)  # fmt: skip
        return True


def test_open_rows_alone_get_more_seeds(tmp_path):
    machine = Machine(tmp_path)
    table, resolved = until_resolved(RULED, machine.gather, machine.train)
    assert resolved
    assert machine.trained == 14, "six of the baseline, two and six of the rows"
    assert machine.asked == [(2, ("BAM", "BAM max"), 6), (4, ("BAM max",), 8), (6, ("BAM max",), 12)]
    rows = {row.label: row for row in table.rows}
    assert {label: row.n for label, row in rows.items()} == {"none": 6, "BAM": 2, "BAM max": 6}
    assert str(rows["BAM"].verdict) == "better"
    assert rows["BAM"].interim.look == 1
    assert str(rows["BAM max"].verdict) == "no clear difference by 6 seeds, the last look"
    assert table.complete
    assert next_rounds(RULED, table) == []
    again = Machine(tmp_path)
    assert until_resolved(RULED, again.gather, again.train)[1]
    assert again.asked == [], "nothing is trained twice"


def test_a_run_without_a_result_ends_the_rounds_and_the_next_call_goes_on(tmp_path):
    machine = Machine(tmp_path, busy=[("BAM max", 3)])
    table, resolved = until_resolved(RULED, machine.gather, machine.train)
    assert not resolved
    assert [seeds for seeds, *_ in machine.asked] == [2, 4], "the same round is not asked for twice"
    assert {row.label: str(row.verdict) for row in table.rows}["BAM max"] == "open: next look at 4 seeds"
    assert until_resolved(RULED, machine.gather, Machine(tmp_path).train)[1]


def test_a_row_without_a_run_is_open_to_the_table_the_plan_and_the_report_alike(tmp_path):
    """It was `not run` to all but `bam run`, which trains it; so was one whose failed run a spare seed replaces."""
    study = STUDY.only({"row": ["BAM", "BAM max"]}).stopping_by(replace(RULE, spare=1))
    for seed in range(2):
        finish(tmp_path, replace(study.rows["none"], seed=seed), BASE[seed], loss=2 + seed)
    interrupt(tmp_path, study.rows["BAM"], "failed")
    table = tabulate(gather(study, tmp_path), study)
    assert [str(row.verdict) for row in table.rows[1:]] == ["open: first look at 2 seeds"] * 2
    assert {row for one in next_rounds(study, table) for row in one.open} == {"BAM", "BAM max"}
    assert {need.row: need.to_look for need in needs(table, [])} == {"BAM": 2, "BAM max": 2}
    assert sentences(table)[-1].endswith("Before the first look of the stopping rule: 'BAM' and 'BAM max'.")


def test_rows_that_lag_behind_catch_up_first(tmp_path):
    study = replace(RULED, stopping=None)
    for cell in study.runs():
        if cell.row != "BAM" and cell.run.seed < 4:
            finish(tmp_path, cell.run, FIGURES[cell.row][cell.run.seed], loss=2 + cell.run.seed / 8 + len(cell.row))
    asked = next_rounds(RULED, tabulate(gather(RULED, tmp_path), RULED))[0]
    assert (asked.seeds, asked.open, list(asked.study.rows)) == (2, ("BAM",), ["none", "BAM"])


def test_a_failed_run_stops_its_own_row_alone(tmp_path):
    study = replace(RULED, stopping=None)
    for cell in study.runs():
        if cell.run.seed < 2 and (cell.row, cell.run.seed) != ("BAM max", 1):
            finish(tmp_path, cell.run, FIGURES["BAM max" if cell.row == "BAM" else cell.row][cell.run.seed],
                   loss=2 + cell.run.seed / 8 + len(cell.row))  # fmt: skip
    failed = next(cell.run for cell in study.runs() if (cell.row, cell.run.seed) == ("BAM max", 1))
    interrupt(tmp_path, failed, "failed")
    asked = next_rounds(RULED, tabulate(gather(RULED, tmp_path), RULED))[0]
    assert (asked.seeds, asked.open, list(asked.study.rows)) == (4, ("BAM",), ["none", "BAM"])


def test_a_failed_run_of_the_baseline_stops_every_row_of_its_panel(tmp_path):
    for cell in replace(RULED, stopping=None).runs():
        if cell.run.seed < 2:
            figure = FIGURES["BAM max" if cell.row == "BAM" else cell.row][cell.run.seed]
            finish(tmp_path, cell.run, figure, loss=2 + cell.run.seed / 8 + len(cell.row))
    assert next_rounds(RULED, tabulate(gather(RULED, tmp_path), RULED))[0].open == ("BAM", "BAM max")
    interrupt(tmp_path, replace(RULED.rows["none"], seed=2), "failed")
    assert next_rounds(RULED, tabulate(gather(RULED, tmp_path), RULED)) == []


def test_a_spare_seed_is_trained_in_place_of_a_failed_one(tmp_path):
    study = STUDY.only({"row": ["BAM", "BAM max"]}).stopping_by(replace(RULE, looks=(2, 4), spare=2))
    machine = Machine(tmp_path, broken=[("BAM max", 1)], study=study)
    table, resolved = until_resolved(study, machine.gather, machine.train)
    assert resolved
    rows = {row.label: row for row in table.rows}
    assert (rows["BAM max"].interim.looked, rows["BAM max"].interim.passed) == ((0, 2, 3, 4), (1,))
    assert rows["BAM"].interim.looked == (0, 1)
    assert sorted(machine.trained_at) == sorted(
        [("none", seed) for seed in range(5)] + [("BAM", 0), ("BAM", 1)] + [("BAM max", seed) for seed in (0, 2, 3, 4)]
    )


def test_a_retry_for_one_row_leaves_the_look_of_another_as_it_was(tmp_path):
    """BAM max has no spare seed left for the baseline's failure, BAM product has; its Δ stays when that is mended."""
    study = STUDY.only({"row": ["BAM product", "BAM max"]}).stopping_by(Stopping(looks=(2, 3), spare=1))
    figures = dict(FIGURES, **{"BAM product": FIGURES["BAM max"]})
    broken = [("BAM max", 0), ("none", 1)]
    machine = Machine(tmp_path, broken=broken, study=study, figures=figures)
    table, resolved = until_resolved(study, machine.gather, machine.train)
    before = {row.label: row.interim for row in table.rows}
    assert not resolved
    assert (before["BAM max"].ended, before["BAM product"].looked) == ("'none' failed at seed 1", (0, 2, 3))
    mended = Machine(tmp_path, study=study, figures=figures)
    table, resolved = until_resolved(study, mended.gather, mended.train, retry=True)
    rows = {row.label: row for row in table.rows}
    assert resolved
    assert rows["BAM max"].interim.looked == (1, 2, 3)
    assert rows["BAM product"].interim == before["BAM product"]
    assert rows["BAM product"].notes[0] == (
        "Δ of 'BAM product' leaves out seed 1, where a first attempt failed: a spare seed takes the place of seed 1."
    )


def test_a_failed_run_is_trained_again_where_no_spare_seed_is_left_and_that_is_asked(tmp_path):
    machine = Machine(tmp_path, broken=[("none", 3)])
    table, resolved = until_resolved(RULED, machine.gather, machine.train)
    assert not resolved
    assert str({row.label: row for row in table.rows}["BAM max"].verdict) == "ended: 'none' failed at seed 3"
    again = Machine(tmp_path, broken=[("none", 3)])
    until_resolved(RULED, again.gather, again.train)
    assert again.asked == [], "it has ended"
    until_resolved(RULED, again.gather, again.train, retry=True)
    assert [seeds for seeds, *_ in again.asked] == [4], "what fails again is not tried twice"
    mended = Machine(tmp_path)
    table, resolved = until_resolved(RULED, mended.gather, mended.train, retry=True)
    assert resolved, "it goes on"
    assert [seeds for seeds, *_ in mended.asked] == [4, 6]


def test_a_row_that_changes_nothing_gets_no_more_seeds(tmp_path):
    study = STUDY.only({"row": ["BAM r=1", "BAM max"]}).stopping_by(RULE)
    for cell in study.runs():
        if cell.run.seed < 2:
            same = cell.row in ("none", "BAM r=1")
            figure = FIGURES["none" if same else "BAM max"][cell.run.seed]
            finish(tmp_path, cell.run, figure, loss=2 + cell.run.seed / 8 + (0 if same else 1))
    assert next_rounds(study, tabulate(gather(study, tmp_path), study))[0].open == ("BAM max",)
