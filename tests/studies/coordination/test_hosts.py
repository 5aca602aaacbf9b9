"""Several hosts on one PostgreSQL: leases, results without a shared folder, dead hosts. Real server, real training."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import replace

import optuna
import psycopg
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState
from sqlalchemy.engine import make_url

from analysis.cli import main
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.manifest import PLACES
from studies.coordination import registry as registry_module
from studies.coordination.leases import Leases
from studies.coordination.location import Place
from studies.coordination.registry import Registry
from studies.coordination.retries import count_interruption
from studies.coordination.sync import gather_everywhere, pack, whole
from studies.definition.stopping import Stopping
from studies.engine.run_study import run_study
from studies.errors import StudyError
from studies.library import find_study
from studies.records.records import gather
from studies.stopping_rules.declaration import declare, file_of
from studies.storage import postgres as postgres_module
from studies.storage.optuna_storage import open_storage
from studies.storage.postgres import Outage
from tests.analysis.synthetic import finish
from tests.studies.conftest import BASE, silent, tiny
from tests.studies.coordination.contract import failure_of


@pytest.fixture
def on(postgres):
    """Return how to make the registry of a host; all are closed in the end."""
    with ExitStack() as stack:

        def made(host, grace=60.0, folder=None, process=1):
            place = Place(host, folder, "") if isinstance(folder, str) else folder or Place(host, "/runs", host)
            return stack.enter_context(closing(Registry(postgres, place, f"{host}:{process}", grace)))

        yield made


def test_one_of_many_takes_a_run(on):
    registries = [on(f"host{number}") for number in range(8)]
    gate = threading.Barrier(8)
    taken = []

    def take(registry):
        gate.wait()
        for key in ("a", "b", "c", "d", "e"):
            if registry.take(key) is not None:
                taken.append((key, registry.place.host))

    threads = [threading.Thread(target=take, args=(registry,)) for registry in registries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for key, _ in taken) == ["a", "b", "c", "d", "e"]


def test_a_lease_lasts_while_its_holder_shows_life(on):
    ours, theirs = on("ours", 1.0), on("theirs", 1.0)
    assert theirs.take("a")
    for _ in range(4):
        time.sleep(0.4)
        assert theirs.heartbeat(["a"]) == set()
        assert not ours.take("a")
    assert ours.entries()["a"].alive
    time.sleep(1.2)
    assert not ours.entries()["a"].alive
    assert ours.take("a")
    assert theirs.heartbeat(["a", "b"]) == {"a", "b"}, "who comes back learns that it is somebody else's now"
    theirs.give_back("a", "complete", {"from": "theirs"})
    assert ours.entries()["a"].state == "running"
    assert ours.records(["a"]) == {}


def test_who_could_show_no_life_because_the_database_was_away_is_not_dead(on, monkeypatch):
    monkeypatch.setattr(postgres_module, "outage", Outage())
    monkeypatch.setattr(registry_module, "outage", postgres_module.outage)
    ours, theirs = on("ours", 1.0), on("theirs", 1.0)
    assert theirs.take("a")
    assert theirs.take("b")
    time.sleep(1.2)
    registry_module.outage.missed()
    assert [ours.take(key) is not None for key in "ab"] == [False, False]
    assert theirs.heartbeat(["a"]) == set(), "it was only waiting"
    time.sleep(0.7)
    assert theirs.heartbeat(["a"]) == set()
    time.sleep(0.5)
    assert [ours.take(key) is not None for key in "ab"] == [False, True], "b's holder has not come back"


def test_what_is_complete_is_nobody_s_and_what_has_failed_is_taken_when_asked(on):
    ours, theirs = on("ours"), on("theirs")
    for key, state in (("a", "complete"), ("b", "failed"), ("c", "interrupted")):
        assert theirs.take(key)
        theirs.give_back(key, state, {"state": state})
    assert [ours.take(key) is not None for key in "abc"] == [False, False, True]
    known = ours.entries()
    assert [ours.take(key, again=known[key].beat) is not None for key in "ab"] == [False, True]
    ours.give_back("b", "failed")
    assert not theirs.take("b", again=known["b"].beat), "that attempt was made again"
    assert theirs.take("b", again=theirs.entries()["b"].beat)
    assert ours.records("abd") == {"a": {"state": "complete"}, "b": {"state": "failed"}}


def test_a_host_s_own_dead_scheduler_is_not_waited_for(on):
    before, after = on("here", folder="/runs"), on("here", folder="/runs", process=2)
    other_folder = on("here", folder="/elsewhere", process=3)
    named_alike = on("here", folder=Place("here", "/runs", "another"), process=4)
    assert before.take("a")
    assert not other_folder.take("a")
    assert not named_alike.take("a"), "its lock is on another disk"
    assert not named_alike.entries()["a"].here
    assert after.take("a"), "who asks holds the folder's lock, so whoever had it there is dead"


def test_the_state_of_everything_tells_of_what_other_hosts_have(on, postgres, tmp_path, capsys):
    run = find_study("quickstart").rows["BAM max"]
    registry = on("there")
    assert registry.take(run.key)
    registry.give_back(run.key, "complete", pack(finish(tmp_path / "there", run, 15.0)))
    assert main(["status", "--root", str(tmp_path / "here"), "--json"]) == 2, "nothing here"
    assert capsys.readouterr().out == ""
    assert main(["status", "--root", str(tmp_path / "here"), "--json", "--storage", postgres]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["study"] for one in found} == {"quickstart"}
    assert [(one["key"], one["error_top1"]) for one in found if one["state"] == "complete"] == [(run.key, 15.0)]


def test_a_stopping_rule_of_another_host_is_kept_with_what_it_stopped(postgres, tmp_path, capsys):
    study = find_study("quickstart").stopping_by(Stopping(looks=(2, 3)))
    there, here = tmp_path / "there", tmp_path / "here"
    declare(replace(study, margin=0.5), there, [], postgres)
    told = []
    for words in (["--storage", postgres], []):
        assert main(["table", "quickstart", "--root", str(here), "--format", "json", *words]) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert told[0]["stopping"]["looks"] == [2, 3]
    assert told[1] == told[0], "without the database, too"
    assert file_of(here, study).read_bytes() == file_of(there, study).read_bytes()
    assert file_of(here, study).relative_to(here).as_posix() == "rules/quickstart.json"
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "rules").touch()
    assert main(["status", "quickstart", "--root", str(blocked), "--storage", postgres]) == 2
    assert capsys.readouterr().err.startswith(f"bam: {blocked}/rules")


def test_a_run_that_was_lost_here_and_failed_elsewhere_has_failed(on, postgres, tmp_path):
    study, registry = tiny(seeds=1), on("there")
    run = study.rows["BAM"]
    here, there = RunFolder.of(tmp_path / "here", run), RunFolder.of(tmp_path / "there", run)
    for folder, state in ((here, "interrupted"), (there, "failed")):
        folder.describe(run)
        folder.note(state=state, error="training loss is nan" if state == "failed" else None)
    assert registry.take(run.key)
    registry.give_back(run.key, "failed", pack(there))
    found = {record.row: record for record in gather_everywhere(study, tmp_path / "here", postgres)}
    assert (found["BAM"].state, found["BAM"].manifest.error) == ("failed", "training loss is nan")
    assert found["none"].state == "missing"


@pytest.fixture
def told_there(tmp_path, on):
    """Tell of a complete and of a failed run of another host; return the study that they are of."""
    study, registry = find_study("quickstart"), on("there")
    complete, failed = study.rows["BAM max"], study.rows["none"]
    finish(tmp_path / "there", complete, 15.0)
    RunFolder.of(tmp_path / "there", failed).describe(failed)
    RunFolder.of(tmp_path / "there", failed).note(state="failed", error="training loss is nan")
    for run, state in ((complete, "complete"), (failed, "failed")):
        assert registry.take(run.key)
        registry.give_back(run.key, state, pack(RunFolder.of(tmp_path / "there", run)))
    return study


def test_a_plan_knows_what_other_hosts_have_and_writes_nothing(told_there, postgres, tmp_path, capsys):
    declare(told_there.stopping_by(Stopping(looks=(2, 3))), tmp_path / "ruled", [], postgres)
    asked = ["plan", "quickstart", "--json", "--storage", postgres, "--root"]
    assert main([*asked, str(tmp_path / "new")]) == 0
    told = capsys.readouterr().out
    assert not (tmp_path / "new").exists()
    states = {row["row"]: row["states"] for row in json.loads(told)[0]["rows"]}
    assert states["BAM max"] == {"complete": 1, "missing": 1}
    assert states["none"] == {"failed": 1, "missing": 1}
    assert main(["status", "quickstart", "--storage", postgres, "--root", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new").exists()
    capsys.readouterr()
    assert main([*asked, str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out == told, "fetched or not, the plan is the same"


def test_a_root_that_cannot_be_written_is_one_line(told_there, postgres, capsys):
    told = ("none", "BAM max")
    for verb in ("table", "status"):
        assert main([verb, "quickstart", "--root", "/sys", "--storage", postgres]) == 2
        line = capsys.readouterr().err
        assert line.startswith(tuple(f"bam: /sys/{told_there.rows[row].key}: cannot be written (" for row in told))
        assert line.endswith("what other hosts have is kept there: give a --root that can be written\n")
        assert line.count("\n") == 1
    assert main(["plan", "quickstart", "--root", "/sys", "--storage", postgres]) == 0


def fewer_epochs(record):
    return record | {"metrics.jsonl": record["metrics.jsonl"].partition("\n")[0] + "\n"}


def torn_line(record):
    return record | {"metrics.jsonl": record["metrics.jsonl"][:-9]}


def of_another_run(record):
    return record | {"run.json": record["run.json"] | {"key": "0" * 16}}


def without_result(record):
    return record | {"result.json": None}


@pytest.mark.parametrize("spoil", [fewer_epochs, torn_line, of_another_run, without_result, None])
def test_a_record_that_is_not_whole_is_none(tmp_path, on, two_hosts, capsys, spoil):
    """It locks no study on any host: the run is trained, and what is told of it then is whole."""
    _, two, options = two_hosts
    study, registry = tiny(rows={"none": BASE}, scientific=(), seeds=1), on("there")
    good = pack(finish(tmp_path / "there", BASE, 12.5))
    if spoil:
        registry.publish(BASE.key, "complete", spoil(good))
    else:  # damaged in the database itself
        registry.publish(BASE.key, "complete", good)
        with registry.engine.begin() as connection:
            connection.execute(sa.update(registry_module.RUNS).values(record=b"no gzip"))
    for keep in (True, False):
        assert [r.state for r in gather_everywhere(study, two, options.storage, keep=keep)] == ["missing"]
    assert not (two / BASE.key).exists()
    assert len(run_study(study, two, options, silent).finished) == 1
    assert f"bam: tiny: 1 runs (as {BASE.key}): the database holds no whole record of them" in capsys.readouterr().err
    told = registry.records([BASE.key])[BASE.key]
    assert told["metrics.jsonl"] == (two / BASE.key / "metrics.jsonl").read_text()
    assert [r.state for r in gather_everywhere(study, tmp_path / "three", options.storage)] == ["complete"]


def test_a_record_with_as_many_gates_as_a_line_can_have_is_whole(tmp_path):
    record = pack(finish(tmp_path, BASE, 12.5))
    gates = {f"{number:0100d}": {"mean": 0.123456, "saturated": 0.654321} for number in range(PLACES)}
    lines = [json.loads(line) | {"gates": gates} for line in record["metrics.jsonl"].splitlines()]
    full = record | {"metrics.jsonl": "".join(f"{json.dumps(line)}\n" for line in lines)}
    assert whole(BASE, full)
    lines[0]["gates"] = gates | {"one more": gates[f"{0:0100d}"]}
    assert not whole(BASE, full | {"metrics.jsonl": "".join(f"{json.dumps(line)}\n" for line in lines)})


def test_a_record_of_another_version_is_not_thrown_away(tmp_path, on, two_hosts):
    _, two, options = two_hosts
    study, registry = tiny(rows={"none": BASE}, scientific=(), seeds=1), on("there")
    record = pack(finish(tmp_path / "there", BASE, 12.5))
    later = record | {"result.json": record["result.json"] | {"error_top9": 1.0}}
    registry.publish(BASE.key, "complete", later)
    with pytest.raises(FolderError, match=f"^{two}/{BASE.key}/result.json: edited, or written by another version"):
        run_study(study, two, options, silent)
    with pytest.raises(FolderError, match="written by another version"):
        gather_everywhere(study, tmp_path / "three", options.storage, keep=False)
    assert registry.records([BASE.key]) == {BASE.key: later}


def test_a_record_is_forgotten_when_asked_and_its_run_is_trained_again(tmp_path, on, postgres, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("from tests.studies.conftest import BASE, tiny\nSTUDY = tiny(seeds=1)\n")
    study, key = tiny(seeds=1), BASE.key
    for cell in study.runs():
        finish(tmp_path / "runs", cell.run, 12.5)
    train = ["run", "mine.py", "--devices", "cpu:1", "--wandb", "off"]
    assert main([*train, "--storage", postgres]) == 0, "both records are told"
    for words, line in [
        (["--again", key], f"bam: --again {key}: goes with --storage; without it "),
        (["--again", "k", "--storage", postgres], "bam: --again k: no run of mine.py has this key; "),
        (
            ["--again", key, "--storage", postgres],
            f"bam: --again {key}: runs/{key} is still here; remove it, here and ",
        ),
    ]:
        capsys.readouterr()
        assert main([*train, *words]) == 2
        assert capsys.readouterr().err.startswith(line)
    shutil.rmtree(tmp_path / "runs" / key)
    registry = on("there")
    assert main([*train, "--storage", postgres, "--again", key]) == 0
    assert "2 of 2 runs complete, 1 of them now" in capsys.readouterr().err
    told = registry.records([key])[key]
    assert told["result.json"] == json.loads((tmp_path / "runs" / key / "result.json").read_text())
    assert told["result.json"]["scored"] != 80_000, "not that of the record which was forgotten"
    registry.forget([key])
    shutil.rmtree(tmp_path / "runs" / key)
    assert registry.take(key)
    assert main([*train, "--storage", postgres, "--again", key]) == 2
    assert capsys.readouterr().err == f"bam: --again {key}: another host trains it; wait until it has ended\n"


@pytest.mark.parametrize("epochs", [0, 1])
def test_what_failed_elsewhere_takes_the_place_of_what_was_half_trained_here(tmp_path, on, two_hosts, epochs):
    """Weights of this host under epochs of the other would be one run of two halves."""
    one, _, options = two_hosts
    study, registry = tiny(rows={"none": BASE}, scientific=(), seeds=1), on("there")
    assert [cell.row for cell, _ in run_study(study, one, replace(options, storage=None), silent).finished] == ["none"]
    here, there = RunFolder.of(one, BASE), RunFolder.of(tmp_path / "there", BASE)
    unbroken = here.metrics()
    (here.path / "result.json").unlink()
    here.note(state="interrupted")
    there.describe(BASE)
    for epoch in range(epochs):
        there.append_epoch({"epoch": epoch, "error_top1": 99.0})
    there.note(state="failed", cause="interrupted", error="interrupted 4 times")
    assert registry.take(BASE.key)
    registry.give_back(BASE.key, "failed", pack(there))
    (seen,) = gather_everywhere(study, one, options.storage)
    assert (seen.state, seen.epochs, here.checkpoint.exists()) == ("failed", epochs, False)
    assert len(run_study(study, one, replace(options, retry_failed=True), silent).finished) == 1
    figures = [[line[name] for name in ("epoch", "train_loss", "error_top1")] for line in here.metrics()]
    assert figures == [[line[name] for name in ("epoch", "train_loss", "error_top1")] for line in unbroken]


@pytest.fixture
def two_hosts(tmp_path, postgres, two_slots):
    """Two roots without a shared folder, and options for both."""
    return tmp_path / "one", tmp_path / "two", replace(two_slots, storage=postgres, wait_for_others=True)


def test_what_one_host_has_trained_another_reads_and_does_not_train(two_hosts, postgres):
    one, two, options = two_hosts
    assert len(run_study(tiny(), one, options, silent).finished) == 4
    there = run_study(tiny(), two, options, silent)
    assert there.finished == []
    assert len(there.before) == 4
    first, second = gather(tiny(), one), gather(tiny(), two)
    assert [r.state for r in second] == ["complete"] * 4
    for a, b in zip(first, second, strict=True):
        assert (a.result, a.metrics, a.manifest) == (b.result, b.metrics, b.manifest)
        assert not b.folder.checkpoint.exists()
    storage = open_storage(one, postgres)
    trials = optuna.load_study(study_name="tiny", storage=storage).get_trials()
    storage.remove_session()
    storage.engine.dispose()
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 4
    assert sorted(t.value for t in trials) == sorted(r.result.error_top1 for r in first)


OWN = """
from dataclasses import replace
from torch import nn
from lightning_bam import AttentionSpec, spec
from studies import Study
from lightning_bam import Digits, Recipe, Run, SmallResNet

BASE = Run(
    dataset=Digits(), backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=2, batch_size=64, schedule="cosine", crop_padding=0, flip=False),
)

@spec
class OwnGate(AttentionSpec):
    def build(self, channels):
        from own_convs import conv
        return conv(channels)

STUDY = Study(
    name="own", question="Does it help?", rows={"none": BASE, "own": replace(BASE, attention=OwnGate())},
    baseline="none", scientific=("attention",), seeds=1,
)
"""
CONVS = "from torch import nn\n\n\ndef conv(channels):\n    return nn.Conv2d(channels, channels, 3, padding=1)\n"


def test_the_code_of_a_run_goes_along_with_its_record(two_hosts, on, tmp_path, capsys):
    one, two, options = two_hosts
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "own_convs.py").write_text(CONVS)
    study = find_study(str(tmp_path / "own.py"))
    assert len(run_study(study, one, options, silent).finished) == 2
    assert [r.state for r in gather_everywhere(study, two, options.storage)] == ["complete"] * 2
    (kept,) = (two / "code").iterdir()
    assert {path.name: path.read_text() for path in kept.iterdir()} == {"own.py": OWN, "own_convs.py": CONVS}
    assert main(["verify", str(tmp_path / "own.py"), "--root", str(two)]) == 0
    (kept / "own_convs.py").write_text(CONVS.replace("padding=1", "padding=1, groups=channels"))
    assert main(["verify", str(tmp_path / "own.py"), "--root", str(two)]) == 1
    assert "its files are not those that runs were trained with; restore them from a copy" in capsys.readouterr().out
    key = study.rows["own"].key
    record = on("there").records([key])[key]
    assert sorted(record["code"]) == ["own.py", "own_convs.py"]
    for code in (
        {**record["code"], "../out.py": "x = 1"},
        {**record["code"], "own.py": "x = 1"},
        {},
        {"own.py": 5},
        [1],
    ):
        assert not whole(study.rows["own"], record | {"code": code})


def test_a_reader_sees_what_others_train_and_what_failed_there(tmp_path, on, postgres, one_slot):
    wild = replace(BASE, recipe=replace(BASE.recipe, lr=1e30))
    study = tiny(rows={"none": BASE, "wild": wild}, scientific=("recipe.lr",), seeds=1)
    there = on("there")
    assert there.take(BASE.key)
    options = replace(one_slot, storage=postgres)
    assert len(run_study(study, tmp_path / "one", options, silent).failed) == 1
    seen = gather_everywhere(study, tmp_path / "two", postgres)
    assert [(r.row, r.state) for r in seen] == [("none", "running"), ("wild", "failed")]
    assert seen[1].manifest.error.startswith("training loss is nan after epoch 0")
    assert "NotFiniteError: training loss is nan" in (seen[1].folder.path / "rank0.log").read_text(), "with its log"


def test_runs_of_a_dead_host_are_taken_over(tmp_path, on, postgres, one_slot, monkeypatch):
    monkeypatch.setattr(registry_module, "GRACE", 3)
    dead = on("dead", 3.0)
    study = tiny(seeds=1)
    assert dead.take(study.runs()[0].run.key)
    started = time.monotonic()
    progress = run_study(study, tmp_path, replace(one_slot, storage=postgres, wait_for_others=True), silent)
    assert time.monotonic() - started > 2
    assert sorted(cell.row for cell, _ in progress.finished) == ["BAM", "none"]


def interrupted(leases):
    """Take a run and lose it, as its scheduler sees it; say whether it could be taken."""
    lease = leases.take(BASE)
    if lease is not None:
        lease.let_go()
        count_interruption(lease.folder, -9)
        leases.give_back(BASE.key)
    return lease is not None


def test_losses_on_hosts_that_share_no_folder_add_up(tmp_path, postgres):
    """Three more tries in all, not on each host; asked again, three more."""
    with ExitStack() as stack:
        one, two, three, four = (stack.enter_context(closing(Leases(tmp_path / name, postgres))) for name in "abcd")
        assert [interrupted(host) for host in (one, two, two, one)] == [True] * 4
        told = "interrupted 4 times, the last time its process was ended by SIGKILL"
        assert RunFolder.of(one.root, BASE).manifest().error.startswith(told)
        assert [interrupted(host) for host in (one, two, three)] == [False] * 3
        lease = three.take(BASE, again=failure_of(three))
        assert lease is not None
        lease.let_go()
        three.give_back(BASE.key)
        assert [interrupted(host) for host in (one, three, two, two, four, three, two)] == [
            False,
            *[True] * 4,
            *[False] * 2,
        ]


def test_trying_again_what_another_host_tries_again_does_not_begin_the_count_anew(tmp_path, postgres):
    """Both know of the same failure; the second finds that it was tried again and interrupted since."""
    with ExitStack() as stack:
        one, two = (stack.enter_context(closing(Leases(tmp_path / name, postgres))) for name in "ab")
        assert [interrupted(one) for _ in range(4)] == [True] * 4
        RunFolder.of(two.root, BASE).describe(BASE)
        RunFolder.of(two.root, BASE).note(state="failed", cause="interrupted", losses=4)  # as fetched
        known, there = failure_of(one), failure_of(two)
        lease = one.take(BASE, again=known)
        assert lease is not None
        lease.let_go()
        count_interruption(lease.folder, -9)
        one.give_back(BASE.key)
        lease = two.take(BASE, again=there)
        assert lease is not None
        assert lease.folder.manifest().losses == 1
        lease.let_go()


def test_a_lease_that_never_became_a_run_is_given_back(tmp_path, postgres, on):
    """Its host has not died, and nobody waits for it or counts a loss."""
    leases = Leases(tmp_path, postgres)
    lease = leases.take(BASE)
    assert lease is not None
    lease.let_go()
    leases.close()
    other = on("other")
    assert other.take(BASE.key) == (0, 0)


def test_losses_of_hosts_that_die_add_up(tmp_path, on, postgres):
    """Nobody is left to count them but the one who takes the run over."""
    for number in range(4):
        assert on(f"host{number}", grace=0.0).take(BASE.key)
    with closing(Leases(tmp_path, postgres)) as ours:
        ours.coordination.grace = 0.0
        assert ours.take(BASE) is None
        folder = RunFolder.of(tmp_path, BASE)
        assert folder.state() == "failed"
        told = "interrupted 4 times, the last time together with its host; see its logs, then --retry failed"
        assert folder.manifest().error == told
        assert ours.coordination.entries()[BASE.key].state == "failed"
        assert ours.coordination.records([BASE.key])[BASE.key]["manifest.json"]["error"] == told


def test_what_gets_on_in_a_folder_that_hosts_share_is_not_counted(tmp_path, postgres):
    """Each host dies after an epoch more; the folder tells so."""
    for epoch in range(6):
        with closing(Leases(tmp_path, postgres)) as host:
            host.coordination.place = replace(host.coordination.place, host=f"host{epoch}")
            host.coordination.grace = 0.0
            lease = host.take(BASE)
            assert lease is not None
            lease.folder.note(state="running", attempts=[{"from_epoch": epoch}])
            lease.folder.append_epoch({"epoch": epoch, "error_top1": 50.0})
            lease.let_go()
    assert "losses" not in RunFolder.of(tmp_path, BASE).manifest().entries


def test_a_run_that_takes_its_scheduler_with_it_has_failed_everywhere(tmp_path, on, postgres):
    elsewhere = on("elsewhere", grace=0.0)
    for tries in range(5):
        with closing(Leases(tmp_path, postgres)) as ours:
            lease = ours.take(BASE)
            assert (lease is None) == (tries == 4)
            if lease is not None:
                lease.folder.note(state="running")
                lease.let_go()
    assert elsewhere.entries()[BASE.key].state == "failed"
    assert not elsewhere.take(BASE.key)


def test_a_table_of_an_earlier_version_grows(on, postgres):
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(
            "create table bam_runs (key varchar(16) primary key, state varchar(16) not null, holder text, "
            "host text, root text, beat timestamptz, record bytea)"
        )
        connection.execute(
            "insert into bam_runs values ('a', 'running', 'old:1', 'old', '/runs', now() - interval '1 h')"
        )
    ours = on("ours")
    assert ours.take("a") == (1, 0)
    assert on("theirs").entries()["a"].alive


def test_in_a_table_of_somebody_else_s_making_no_key_or_state_is_longer_than_ours(on, postgres):
    ours = on("ours")
    assert ours.take(BASE.key)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("alter table bam_runs alter key type text, alter state type text")
        connection.execute("update bam_runs set state = repeat('running ', 1000000)")
        connection.execute(
            "insert into bam_runs (key, state) values (%s, 'complete'), (repeat('k', 2000), 'complete')",
            [BASE.key + "/../../evil"],
        )
    assert {key: entry.state for key, entry in ours.entries().items()} == {BASE.key: "running running "}


def test_who_may_not_let_a_table_of_an_earlier_version_grow_is_told_who_can(postgres):
    address = make_url(postgres)
    name = f"{address.database}_other"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create table bam_runs (key varchar(16) primary key, state varchar(16) not null)")
        connection.execute(f"create role {name} login")
        connection.execute(f"grant all on bam_runs to {name}")
    url = address.set(username=name).render_as_string(hide_password=False)
    try:
        with pytest.raises(
            StudyError, match=r"bam_runs is of an earlier version, without 'holder'; .* user who owns it"
        ):
            Registry(url, Place("here", "/runs", "1"), "here:1", 60.0)
    finally:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"drop owned by {name}")
            connection.execute(f"drop role {name}")


def test_a_run_that_does_not_wait_leaves_what_others_train(tmp_path, on, postgres, one_slot):
    other = on("other")
    study = tiny(seeds=1)
    assert other.take(study.runs()[0].run.key)
    progress = run_study(study, tmp_path, replace(one_slot, storage=postgres), silent)
    assert [cell.row for cell, _ in progress.finished] == ["BAM"]


def test_what_a_dead_scheduler_of_this_host_had_is_lost_at_once_and_trained(tmp_path, on, postgres, one_slot):
    study = tiny(seeds=1)
    run = study.runs()[0].run
    dead = on(socket.gethostname(), folder=Place.make(tmp_path))
    folder = RunFolder.of(tmp_path, run)
    folder.describe(run)
    folder.note(state="running")
    assert dead.take(run.key)
    assert gather_everywhere(study, tmp_path, postgres)[0].state == "interrupted", "nobody holds the folder's lock"
    assert gather_everywhere(study, tmp_path / "other", postgres)[0].state == "running"
    progress = run_study(study, tmp_path, replace(one_slot, storage=postgres), silent)
    assert sorted(cell.row for cell, _ in progress.finished) == ["BAM", "none"]


def test_results_from_before_the_database_reach_it(two_hosts, postgres):
    one, two, options = two_hosts
    run_study(tiny(seeds=1), one, replace(options, storage=None), silent)
    assert run_study(tiny(seeds=1), one, options, silent).finished == []
    assert run_study(tiny(seeds=1), two, options, silent).finished == []
    assert [r.result for r in gather(tiny(seeds=1), one)] == [r.result for r in gather(tiny(seeds=1), two)]


@pytest.mark.parametrize("holder", ["here", "elsewhere"])
def test_a_result_that_a_dead_scheduler_did_not_tell_is_told_at_the_next_start(tmp_path, on, two_hosts, holder):
    """Also where another host has taken the run over since: it learns so, and leaves it."""
    one, _, options = two_hosts
    study = tiny(seeds=1)
    for cell in study.runs():
        finish(one, cell.run, 12.5)
    run = study.runs()[0].run
    host = socket.gethostname() if holder == "here" else "elsewhere"
    before = on(host, folder=Place.make(one) if holder == "here" else None)
    assert before.take(run.key)
    assert run_study(study, one, options, silent).finished == []
    entry = before.entries()[run.key]
    assert (entry.state, entry.holder) == ("complete", None)
    assert before.records([run.key])[run.key]["result.json"]["error_top1"] == 12.5
    assert before.heartbeat([run.key]) == {run.key}, "it is not theirs any more"
    before.give_back(run.key, "failed")
    assert before.entries()[run.key].state == "complete"


def test_a_lost_record_does_not_replace_a_run(two_hosts, postgres):
    one, _, options = two_hosts
    run_study(tiny(seeds=1), one, options, silent)
    record = gather(tiny(seeds=1), one)[0]
    packed = pack(record.folder)
    assert packed["result.json"]["error_top1"] == record.result.error_top1
    shutil.rmtree(record.folder.path)
    again = gather_everywhere(tiny(seeds=1), one, postgres)[0]
    assert again.result == record.result
    assert RunFolder(again.folder.path).metrics() == record.metrics


@pytest.mark.parametrize(
    ("url", "line"),
    [
        (
            "sqlite:///x.db",
            "--storage sqlite:///x.db: not an address of PostgreSQL; give postgresql://user@host:5432/database, or "
            "leave --storage out for the journal under --root",
        ),
        ("nonsense", "--storage nonsense: not an address of PostgreSQL; give "),
        ("", "--storage '': not an address of PostgreSQL; give "),
        ("postgresql//me:secret@h/db", "--storage postgresql//me:***@h/db: not an address of PostgreSQL; give "),
        ("postgres:secret@h/db", "--storage postgres:***@h/db: not an address of PostgreSQL; give "),
        ("host=h password=secret user=me", "--storage host=h password=*** user=me: not an address of PostgreSQL; "),
        ("host=h PASSWORD = 'sec\\'ret secret'", "--storage host=h PASSWORD = ***: not an address of PostgreSQL; "),
        ("postgresql://me:secret@h:port/db", "--storage postgresql://me:***@h:port/db: not an address of PostgreSQL;"),
        ("postgresql://me:secret@[::1/db", "--storage postgresql://me:***@[::1/db: not an address of PostgreSQL; "),
        ("postgresql://me:secret/db", "--storage postgresql://me:***/db: not an address of PostgreSQL; give "),
        ("postgresql://me:a@secret@h/db", "--storage postgresql://me:***@h/db: an @ too many; in a name or "),
        (
            "postgresql://me@127.0.0.1:1/none?password=secret",
            "--storage postgresql://me@127.0.0.1:1/none?password=***: no answer (",
        ),
        ("postgresql://me:secret@127.0.0.1:1/none", "--storage postgresql://me:***@127.0.0.1:1/none: no answer ("),
    ],
)
def test_a_wrong_address_is_one_line_without_the_password(tmp_path, one_slot, url, line):
    with pytest.raises(StudyError) as caught:
        run_study(tiny(), tmp_path, replace(one_slot, storage=url), silent)
    assert str(caught.value).startswith(line)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_that_is_removed_is_forgotten_unless_another_host_trains_it(tmp_path, on, monkeypatch, postgres, capsys):
    monkeypatch.chdir(tmp_path)
    registry = on("there")
    folder = finish(tmp_path / "runs", BASE, 12.5, studies={"tiny": {"row": "none"}})
    registry.publish(BASE.key, "complete", pack(folder))
    assert main(["rm", BASE.key, "--yes", "--storage", postgres]) == 0
    assert registry.entries() == {}
    assert not folder.path.exists()
    assert "other hosts that have these runs in their own folders publish them again" in capsys.readouterr().err
    finish(tmp_path / "runs", BASE, 12.5)
    assert registry.take(BASE.key)
    assert main(["rm", BASE.key, "--yes", "--storage", postgres]) == 2
    line = f"bam: {BASE.key}: another host trains it; end that first (nothing was removed)\n"
    assert capsys.readouterr().err.endswith(line)
    assert folder.path.exists()
