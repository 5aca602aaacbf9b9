"""What a person sees while runs are trained."""

from __future__ import annotations

import io
import re
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from lightning_bam.run_folder.folder import Within
from studies.engine.progress import Active, LiveView, Progress, clock, remaining
from studies.workers.process_environment import visible
from tests.studies.conftest import tiny

CELLS = tiny(seeds=3).runs()


def progress():
    started = time.monotonic() - 5
    process, folder = SimpleNamespace(), SimpleNamespace()
    active = Active(CELLS[3], None, folder, process, None, started=started, epochs=1, figure=12.5)
    return Progress(
        title="tiny",
        total=6,
        slots=2,
        before=[(CELLS[0], 20.0)],
        pending=2,
        active=[active],
        finished=[(CELLS[1], 18.0), (CELLS[2], 22.0)],
        failed=[(CELLS[4], "out of [luck]")],
        seconds=[10.0, 14.0],
    )


def shown(terminal):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
    with LiveView(console) as view:
        view(progress())
        view(progress())
    return out.getvalue()


def test_elsewhere_a_line_a_run_and_none_twice():
    assert shown(terminal=False).splitlines() == [
        "2/6  BAM seed 0: error 18.00 %  (about 0:15 left)",
        "3/6  none seed 1: error 22.00 %  (about 0:15 left)",
        "failed: none seed 2: out of [luck]",
    ]


def test_in_a_terminal_a_live_table():
    text = shown(terminal=True)
    assert "tiny" in text
    row = next(line for line in text.splitlines() if "BAM" in line and "1/2" in line)
    assert "12.50" in row
    assert re.search(r"\d:\d\d", row)
    summary = next(line for line in text.splitlines() if "3/6 done" in line)
    assert "1 running · 2 to come · 1 failed" in summary
    assert summary.rstrip().endswith("about 0:15 left")


def within_an_epoch(batches=50, ago=30.0):
    """Return a run of two epochs that began its second one `ago` seconds ago, and has trained 50 of its 100 batches."""
    now = time.monotonic()
    active = Active(CELLS[3], None, SimpleNamespace(), SimpleNamespace(), None, started=now - ago - 5, epochs=1)
    active.begun = now - ago, 1.0
    active.within = Within(1, batches, 100, 1234.4)
    return active


def test_within_an_epoch_a_run_says_how_far_and_how_fast_it_is():
    active = within_an_epoch()
    assert active.trained == 1.5
    assert active.left == pytest.approx(30, abs=0.2), "half an epoch took 30 s, and half a one is left"
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, color_system=None)
    with LiveView(console) as view:
        view(Progress(title="tiny", total=6, slots=2, pending=1, active=[active]))
    row = next(line for line in out.getvalue().splitlines() if "BAM" in line)
    assert row.replace("│", "").split()[-3:] == ["1,234", "0:35", "0:30"]
    assert "about 1:05 left" in out.getvalue(), "one like it is to come, on the other slot"


def test_what_is_said_of_an_earlier_epoch_is_none_of_this_one():
    active = within_an_epoch(batches=100)
    active.within = active.within._replace(epoch=0)
    assert active.trained == 1
    assert active.left is None


def test_a_run_that_resumed_is_not_taken_for_fast():
    """What an earlier attempt trained is no pace of this one."""
    active = Active(CELLS[3], None, SimpleNamespace(within=lambda: Within(1, 40, 100, 9.0)), None, None, epochs=1)
    active.look()
    assert active.begun[1] == 1.4
    assert active.left is None
    active.begun = active.begun[0] - 10, 1.4
    active.within = Within(1, 60, 100, 9.0)
    assert active.left == pytest.approx(20, abs=0.2)


def test_remaining_and_clock():
    empty = Progress(title="t", total=2, slots=1, pending=2)
    assert remaining(empty) == "estimating"
    empty.pending = 0
    assert remaining(empty) == "all done"
    assert (clock(59.6), clock(61), clock(3725)) == ("1:00", "1:01", "1:02:05")


def test_remaining_counts_how_long_the_last_runs_have_been_running():
    last = replace(progress(), slots=4, pending=0, seconds=[80.0])
    last.active = [replace(last.active[0], started=time.monotonic() - ago) for ago in (95, 70, 60.5)]
    assert remaining(last) == "about 0:19 left", "the longest of them"
    last.active = last.active[:1]
    assert remaining(last) == "about 0:00 left", "it takes longer than others did"
    last.pending = 1
    assert remaining(last) == "about 1:20 left", "one is to come"


def test_gpus_are_counted_among_the_visible_ones():
    assert visible((0, 1), None) == "0,1"
    assert visible((1,), "4, 5") == "5"
    assert visible((), "4,5") == ""
