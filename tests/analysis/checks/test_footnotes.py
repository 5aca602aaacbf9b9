"""Marks in the cells: which runs were made with something else than the others, worked out by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.checks.footnotes import footnotes, mark, marks, pretrained
from analysis.checks.notes import trained_with
from analysis.environment import CODE
from analysis.table.build import tabulate
from lightning_bam.config import BAMSpec, ClutteredDigits, Run, TimmAttention
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import SHARED, manifest_of
from studies.definition.study import Study
from studies.records.records import Record, gather
from tests.analysis.synthetic import finish

LIKE_ALL = {"commit": "aaa", "torch": "2.11.0", "world_size": 1}
OTHER = {entry: 7 if entry in ("world_size", "threads") else "other" for entry in SHARED}


def record(row, seed, run=None, **manifest):
    """Return the record of a run that was made like all, but for what is given."""
    made = Record(row=row, run=replace(run or Run(), seed=seed), folder=None, state="complete", result=None, epochs=0)
    made.__dict__["manifest"] = manifest_of(LIKE_ALL | manifest, "here")
    return made


def grid(apart, rows=("none", "BAM", "SE"), seeds=4):
    """Return cells where only the runs named in `apart` were made otherwise."""
    return {row: {seed: record(row, seed, **apart.get((row, seed), {})) for seed in range(seeds)} for row in rows}


B = {"commit": "bbb"}


@pytest.mark.parametrize(
    ("apart", "said", "marked"),
    [
        ({}, [], {}),
        (
            {("SE", 2): B},
            ["[a] commit bbb (not aaa): 1 of 4 runs of 'SE' (seed 2)."],
            {"SE": ("a",)},
        ),
        (
            {("SE", seed): B for seed in range(4)},
            ["[a] commit bbb (not aaa): all 4 runs of 'SE'."],
            {"SE": ("a",)},
        ),
        (  # a baseline unlike its rows is the one that is marked
            {("none", seed): B for seed in range(4)},
            ["[a] commit bbb (not aaa): all 4 runs of 'none'."],
            {"none": ("a",)},
        ),
        (  # half of each row: as frequent, so the baseline's first is the measure
            {(row, seed): B for row in ("none", "BAM", "SE") for seed in (2, 3)},
            ["[a] commit bbb (not aaa): 2 of 4 runs of every row (seeds 2 and 3)."],
            {"none": ("a",), "BAM": ("a",), "SE": ("a",)},
        ),
        (  # what the same runs have in common is one footnote, what others have is another
            {("BAM", 0): B | {"torch": "2.12.0"}, ("BAM", 1): {"world_size": 2}, ("SE", 1): {"world_size": 2}},
            [
                "[a] commit bbb (not aaa), torch 2.12.0 (not 2.11.0): 1 of 4 runs of 'BAM' (seed 0).",
                "[b] ranks a run 2 (not 1): 1 of 4 runs each of 'BAM' and 'SE' (seed 1).",
            ],
            {"BAM": ("a", "b"), "SE": ("b",)},
        ),
        (
            {("BAM", 1): {"attempts": [LIKE_ALL, LIKE_ALL | B]}},
            ["[a] commit aaa, then bbb (not aaa): 1 of 4 runs of 'BAM' (seed 1)."],
            {"BAM": ("a",)},
        ),
        (
            {("BAM", 1): {"commit": None}},
            ["[a] commit not recorded (not aaa): 1 of 4 runs of 'BAM' (seed 1)."],
            {"BAM": ("a",)},
        ),
        (  # the seeds differ from row to row
            {("BAM", 0): B, ("BAM", 1): B, ("SE", 3): B},
            ["[a] commit bbb (not aaa): 2 of 4 runs of 'BAM' (seeds 0 and 1); 1 of 4 runs of 'SE' (seed 3)."],
            {"BAM": ("a",), "SE": ("a",)},
        ),
    ],
)
def test_by_hand(apart, said, marked):
    found = footnotes(grid(apart), ("none",))
    assert [footnote.line for footnote in found] == said
    assert {row: marks(found, row) for row in ("none", "BAM", "SE") if marks(found, row)} == marked


def test_a_tie_is_the_baselines_wherever_it_stands():
    cells = grid({("BAM", seed): B for seed in range(4)}, rows=("BAM", "none"))
    (found,) = footnotes(cells, ("none",))
    assert found.line == "[a] commit bbb (not aaa): all 4 runs of 'BAM'."


def test_letters_stand_in_the_order_of_the_rows():
    apart = {("SE", 0): {"torch": "2.12.0"}, ("BAM", 1): {"threads": 2}, ("BAM", 0): {"cpu": "AVX2"}}
    assert [(one.mark, dict(one.runs)) for one in footnotes(grid(apart), ("none",))] == [
        ("a", {"BAM": (0,)}),
        ("b", {"BAM": (1,)}),
        ("c", {"SE": (0,)}),
    ]


def test_panels_may_have_images_of_their_own():
    other = Run(dataset=ClutteredDigits(size=28))
    cells = {
        "small": {seed: record("small", seed, data="d1") for seed in range(3)},
        "large": {seed: record("large", seed, other, data="d2" if seed else "d3") for seed in range(3)},
    }
    (found,) = footnotes(cells, ("small", "large"))
    assert found.line == "[a] images d3 (not d2): 1 of 3 runs of 'large' (seed 0)."


@given(
    st.lists(
        st.tuples(st.sampled_from(["none", "BAM", "SE"]), st.integers(0, 3), st.sampled_from(sorted(SHARED))),
        max_size=8,
    )
)
def test_a_row_is_marked_if_and_only_if_one_of_its_runs_is_unlike_most(changed):
    apart: dict[tuple[str, int], dict[str, object]] = {}
    for row, seed, entry in changed:
        apart.setdefault((row, seed), {})[entry] = OTHER[entry]
    cells = grid(apart)
    found = footnotes(cells, ("none",))
    for entry in SHARED:
        values = {(row, seed): entry in apart.get((row, seed), {}) for row in cells for seed in range(4)}
        usual = Counter(values.values()).most_common()
        if len(usual) == 2 and usual[0][1] == usual[1][1]:
            continue
        for row, runs in cells.items():
            unlike = {seed for seed in runs if values[row, seed] != usual[0][0]}
            told = {s for one in found for d in one.differences if d.entry == entry for s in one.runs.get(row, ())}
            assert unlike == told
            assert not unlike or marks(found, row)
    assert [one.mark for one in found] == [mark(number) for number in range(len(found))]


def test_timm_is_compared_among_the_runs_that_it_builds():
    eca = Run(attention=TimmAttention(name="eca"))
    cells = {
        "none": {seed: record("none", seed) for seed in range(3)},
        "eca": {seed: record("eca", seed, eca, timm="1.0.31" if seed else "1.0.9") for seed in range(3)},
    }
    (found,) = footnotes(cells, ("none",))
    assert found.line == "[a] timm 1.0.9 (not 1.0.31): 1 of 3 runs of 'eca' (seed 0)."
    (note,) = trained_with([one for runs in cells.values() for one in runs.values()], (found,))
    assert note.endswith("; timm 1.0.31 where not marked otherwise.")
    del cells["eca"][0]
    assert footnotes(cells, ("none",)) == ()
    (note,) = trained_with([one for runs in cells.values() for one in runs.values()], ())
    assert "torch 2.11.0, timm 1.0.31, aaa" in note.replace("commit ", "")


def test_what_runs_began_with_is_said_of_which():
    noted = "resnet18.pth (sha256 0123456789abcdef): 122 tensors"
    cells = {
        "none": {seed: record("none", seed, weights=noted) for seed in range(3)},
        "BAM": {seed: record("BAM", seed, weights=noted) for seed in range(3)},
        "drawn": {seed: record("drawn", seed) for seed in range(3)},
    }
    assert pretrained(cells) == [f"Backbone weights from {noted}: all 3 runs each of 'none' and 'BAM'."]
    cells["BAM"][1] = record("BAM", 1, weights="other.pth (sha256 fedcba9876543210): 122 tensors")
    assert pretrained(cells) == [
        f"Backbone weights from {noted}: all 3 runs of 'none'; 2 of 3 runs of 'BAM' (seeds 0 and 2).",
        "Backbone weights from other.pth (sha256 fedcba9876543210): 122 tensors: 1 of 3 runs of 'BAM' (seed 1).",
    ]
    assert footnotes(cells, ("none",)) == (), "it is what the rows are, not how they were trained"


def test_more_footnotes_than_letters():
    assert [mark(n) for n in (0, 15, 16, 24, 25, 26, 50)] == ["a", "p", "r", "z", "aa", "ab", "ba"]


def test_a_table_says_whether_it_mixes_code(tmp_path):
    study = Study(
        name="code",
        question="?",
        rows={"none": Run(), "BAM": Run(attention=BAMSpec())},
        baseline="none",
        scientific=("attention",),
        seeds=2,
    )
    for number, (_, run) in enumerate(study.runs()):
        finish(tmp_path, run, 20 + number, loss=number)
    folder = RunFolder.of(tmp_path, study.runs()[-1].run)
    for entry in SHARED:
        before = folder.manifest().entries
        folder.note(**{entry: OTHER[entry]})
        table = tabulate(gather(study, tmp_path), study)
        assert [row.marks for row in table.rows] == [(), ("a",)]
        assert table.mixes_code == (entry in CODE), entry
        (folder.path / "manifest.json").unlink()
        folder.note(**before)
    assert not tabulate(gather(study, tmp_path), study).footnotes
