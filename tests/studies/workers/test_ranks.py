"""One run over several CPU ranks, for real."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import TIMES
from studies.engine.run_study import run_study
from studies.engine.scheduler import Options
from studies.job.devices import Slot
from studies.records.records import gather
from studies.workers.forkserver import forkserver
from studies.workers.launch import ask
from tests.studies.conftest import silent, tiny
from tests.studies.tracking.wandb_file import read

TWO = Options(slots=[Slot(2)], wandb="offline")
TWO_RUNS_OF_WHICH_ONE_FAILS = """
from dataclasses import replace
from pathlib import Path
from tests.studies.conftest import BASE, tiny

wild = replace(BASE, recipe=replace(BASE.recipe, lr=1e30))
STUDY = tiny(seeds=1, rows={"calm": BASE, "wild": wild}, baseline="calm", scientific=("recipe.lr",))
"""


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    study = tiny(seeds=1)
    run_study(study, one, Options(slots=[Slot(1)], wandb="off"), silent)
    progress = run_study(study, two, TWO, silent)
    assert len(progress.finished) == 2, progress.failed
    return one, two


def test_the_first_global_batch_and_what_is_scored_do_not_depend_on_the_ranks(roots):
    alone, together = (gather(tiny(seeds=1), root) for root in roots)
    for one, two in zip(alone, together, strict=True):
        assert one.manifest.first_batch == two.manifest.first_batch
        assert (one.manifest.world_size, two.manifest.world_size) == (1, 2)
        assert one.manifest.data == two.manifest.data
        assert two.result.scored == one.result.scored == 500
        assert two.result.correct_top1 + round(two.result.error_top1 * 5) == 500


def test_the_first_steps_agree_up_to_batch_norm(roots):
    """Batch norm sees half a batch on each of two ranks, so the losses are near and not equal."""
    alone, together = (gather(tiny(seeds=1), root)[0].metrics[0]["train_loss"] for root in roots)
    assert together == pytest.approx(alone, rel=0.1)
    assert together != alone


def test_two_runs_of_two_ranks_at_once_are_the_same_runs_one_after_the_other(roots, tmp_path):
    at_once = []
    options = Options(slots=[Slot(2), Slot(2)], wandb="off")
    progress = run_study(tiny(seeds=1), tmp_path, options, lambda seen: at_once.append(len(seen.active)))
    assert len(progress.finished) == max(at_once) == 2, progress.failed
    for ours, theirs in zip(*(gather(tiny(seeds=1), root) for root in (tmp_path, roots[1])), strict=True):
        for one, other in zip(ours.metrics, theirs.metrics, strict=True):
            assert one | dict.fromkeys(TIMES) == other | dict.fromkeys(TIMES)
        assert ours.manifest.world_size == 2


def test_two_ranks_are_one_finished_run_of_wandb(roots):
    for record in gather(tiny(seeds=1), roots[1]):
        found = read(record.folder.path)  # which insists on exactly one record
        assert (found["run"].run_id, found["exit"]) == (record.run.key, 0)
        assert found["summary"]["test/error_top1"] == record.result.error_top1


def test_each_rank_has_its_log(roots):
    for record in gather(tiny(seeds=1), roots[1]):
        assert {"rank0.log", "rank1.log"} <= {path.name for path in record.folder.path.iterdir()}


def test_a_rank_that_fails_ends_its_group_and_is_named(tmp_path):
    study = tiny(seeds=1)
    wild = replace(study.rows["none"], recipe=replace(study.rows["none"].recipe, lr=1e30))
    study = tiny(seeds=1, rows={"none": wild, "BAM": replace(wild, attention=study.rows["BAM"].attention)})
    progress = run_study(study, tmp_path, TWO, silent)
    reasons = [reason for _, reason in progress.failed]
    assert len(reasons) == 2
    assert all("rank " in reason and "training loss is nan after epoch 0" in reason for reason in reasons), reasons
    assert RunFolder.of(tmp_path, study.runs()[0].run).state() == "failed"


def test_a_rank_that_the_machine_kills_is_lost_and_tried_again(tmp_path):
    """kill -9 of one of two ranks: the group ends, and the run goes on from its checkpoint in a new one."""
    study = tiny(seeds=1)
    long = replace(study.rows["none"], recipe=replace(study.rows["none"].recipe, epochs=12))
    study = tiny(seeds=1, rows={"none": long, "BAM": replace(long, attention=study.rows["BAM"].attention)})
    killed = []

    def kill_a_rank(progress):
        for active in progress.active:
            if active.epochs >= 2 and not killed:  # the first epoch's checkpoint is whole: it is older than this line
                ranks = psutil.Process(active.process.pid).children()
                assert len(ranks) == 2
                ranks[1].kill()
                killed.append(active.cell.row)

    progress = run_study(study, tmp_path, replace(TWO, wandb="off"), kill_a_rank)
    assert killed == ["none"]
    assert progress.failed == []
    assert [record.state for record in gather(study, tmp_path)] == ["complete"] * 2
    attempts = gather(study, tmp_path)[0].manifest.attempts
    assert len(attempts) == 2
    assert attempts[1].from_epoch >= 1


def test_the_first_rank_alone_writes(tmp_path):
    """As Python's audit hook saw it in both ranks; the others keep a log and nothing else."""
    run = tiny(seeds=1).rows["BAM"]
    folder = RunFolder.of(tmp_path, run)
    folder.describe(run)
    first, second = ask(forkserver(), "tests.lightning_bam.training.rank_bodies", "watched", (folder.path, Slot(2)))
    inside = str(folder.path)
    assert [path for path in second if path.startswith(inside)] == [f"{inside}/rank1.log"]
    left = {str(path) for path in folder.path.rglob("*") if path.is_file()}
    assert left - set(first) == {f"{inside}/run.json", f"{inside}/rank1.log"}  # described before
    assert {f"{inside}/result.json", f"{inside}/metrics.jsonl", str(folder.checkpoint)} <= left


def test_nothing_stays_in_the_temporary_folder(tmp_path):
    """Of a run that ends well, of one that fails, of W&B and of the server; torch's own cache is for all processes."""
    file, temporary = tmp_path / "two.py", tmp_path / "temporary"
    file.write_text(TWO_RUNS_OF_WHICH_ONE_FAILS)
    temporary.mkdir()
    words = ["run", str(file), "--root", str(tmp_path / "root"), "--devices", "cpu:2", "--devices-per-run", "2"]
    bam = [sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())"]
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([*bam, *words], check=False, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr  # one run failed
    assert {path.name.split("_")[0] for path in temporary.iterdir()} <= {"torchinductor"}


def test_groups_that_start_at_once_never_meet():
    """Four parties launch two ranks each at the same moment, eight times: 32 pairs that share no port and no rank."""
    context = forkserver()
    barrier = context.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        tasks = [(party, 8, barrier) for party in range(1, 5)]
        rounds = list(
            pool.map(lambda task: ask(context, "tests.lightning_bam.training.rank_bodies", "meet_often", task), tasks)
        )
    for party, groups in enumerate(rounds, start=1):
        for attempt, group in enumerate(groups):
            number = 1000 * party + attempt
            assert {rank: met[:2] for rank, met in group.items()} == dict.fromkeys((0, 1), ([number] * 2, 2 * number))
    for at_once in zip(*rounds, strict=True):
        assert len({group[0][2] for group in at_once}) == 4
